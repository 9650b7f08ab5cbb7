# procspan: two commands do everything.
#
#	make demo	install what is missing, build, run the main job on bundled data
#	make check	the same, then every test in release, asan, tsan and hard
#
# A new source file or test needs no edit here: they are found by wildcard.

FLAVOUR   ?= release
B         := build/$(FLAVOUR)
CC        ?= gcc
CXX       ?= g++
CLANG     ?= clang
VERSION   := $(shell git describe --always --dirty 2>/dev/null || echo unversioned)
Q         := $(if $(V),,@)

# Debian 12's own packages.
PACKAGES  := gcc g++ make git pkg-config clang llvm bpftool libbpf-dev libpcap-dev libjansson-dev \
             libcmocka-dev libsimdjson-dev libtomlplusplus-dev libevent-dev libssl-dev zlib1g-dev \
             libzstd-dev libexpat1-dev libevtx-dev libbfio-dev libpcre2-dev iproute2 \
             libclang-rt-14-dev

LINTERS   := clang-format clang-tidy

WARNINGS  := -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef -Wvla \
             -Wcast-qual -Wwrite-strings -Wformat=2 -Wimplicit-fallthrough -Wpointer-arith \
             $(if $(CI),-Werror)
C_ONLY    := -std=gnu17 -Wstrict-prototypes -Wmissing-prototypes -Wcast-align=strict
CXX_ONLY  := -std=gnu++17 -fno-exceptions -fno-rtti
HARDENING := -fstack-protector-strong -fPIE -D_GNU_SOURCE -DPROCSPAN_VERSION='"$(VERSION)"'

flags_release := -O2 -D_FORTIFY_SOURCE=2
flags_asan    := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
flags_tsan    := -O1 -fsanitize=thread
flags_hard    := -O1 -DPROCSPAN_HARD=1 -fsanitize=address,undefined -fno-sanitize-recover=all
flags_fuzz    := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
ifeq ($(FLAVOUR),fuzz)
CC := $(CLANG)
CXX := $(CLANG)++
C_ONLY := $(filter-out -Wcast-align=strict,$(C_ONLY))
endif

CFLAGS    := -g $(flags_$(FLAVOUR)) $(HARDENING) -I. -I$(B) -MMD -MP
LDFLAGS   := $(flags_$(FLAVOUR)) -pie -Wl,-z,relro,-z,now
LIBS      := -lpcap -lbpf -ljansson -lsimdjson -levent_core -levent_extra -levent_openssl -lssl \
             -lcrypto -lz -lzstd -lexpat -levtx -lbfio -lpcre2-8 -lpthread -lm

SOURCES   := $(filter-out correlator/main.c,$(wildcard collector/*.c collector/*/*.c rules/*.c correlator/*.c bpf/tap_*.c))
CXXSOURCES:= $(wildcard collector/*/*.cc rules/*.cc)
TESTS     := $(patsubst tests/%.c,%,$(wildcard tests/test_*.c))
FUZZERS   := $(patsubst tests/%.c,%,$(wildcard tests/fuzz_*.c))
MODELS    := $(wildcard tests/model_*.c tests/support_*.c)
OBJECTS   := $(SOURCES:%.c=$(B)/%.o) $(CXXSOURCES:%.cc=$(B)/%.o)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all packages compile_commands.json demo check check-quick unit fuzz bench bench-peers lint format install clean

all: $(B)/procspan
	$(Q)ln -sf $(B)/procspan procspan

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC   $(FLAVOUR) $<")
	$(Q)$(CC) $(C_ONLY) $(WARNINGS) $(CFLAGS) -c $< -o $@

$(B)/%.o: %.cc
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CXX  $(FLAVOUR) $<")
	$(Q)$(CXX) $(CXX_ONLY) $(WARNINGS) $(CFLAGS) -c $< -o $@

# The kernel half of the tap, and the header that loads it (asm/ is not on clang's path for bpf).
$(B)/bpf/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "  BPF  $(FLAVOUR) $<")
	$(Q)$(CLANG) -target bpf -mcpu=v3 -O2 -g -std=gnu2x -Wall -Wextra -Werror -fno-stack-protector \
	  -ffile-prefix-map=$(CURDIR)=. -idirafter /usr/include/$(shell uname -m)-linux-gnu -I. \
	  -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@

$(B)/bpf/%.skel.h: $(B)/bpf/%.bpf.o
	$(Q)printf '%s\n' '#pragma GCC system_header' '/* NOLINTBEGIN: not ours */' >$@
	$(Q)PATH=$$PATH:/usr/sbin bpftool gen skeleton $< name $* >>$@
	$(Q)echo '/* NOLINTEND */' >>$@

$(B)/collector/packet/capture_xdp.o: $(B)/bpf/tap.skel.h
$(B)/tests/test_tap.o $(B)/tests/bench_bpf.o: $(B)/bpf/tap.skel.h $(B)/bpf/probe.skel.h

$(B)/libprocspan.a: $(OBJECTS)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/procspan: $(B)/correlator/main.o $(B)/libprocspan.a
	$(Q)$(CXX) $(LDFLAGS) $^ $(LIBS) -o $@

$(B)/tests/%: $(B)/tests/%.o $(MODELS:%.c=$(B)/%.o) $(B)/libprocspan.a
	$(Q)$(CXX) $(LDFLAGS) $^ -lcmocka $(LIBS) -o $@

# A fuzz target is one file with LLVMFuzzerTestOneInput. In the fuzz flavour libFuzzer drives it; in
# every other flavour fuzz_main (no test_ prefix) replays tests/corpus/NAME through it.
$(B)/tests/fuzz_%: $(B)/tests/fuzz_%.o $(B)/libprocspan.a $(if $(filter fuzz,$(FLAVOUR)),,$(B)/tests/replay_corpus.o)
	$(Q)$(CXX) $(LDFLAGS) $(if $(filter fuzz,$(FLAVOUR)),-fsanitize=fuzzer) $^ $(LIBS) -o $@

# --- what people run ---------------------------------------------------------------------------

packages:
	@tests/packages.sh $(PACKAGES)

demo: packages
	@$(MAKE) --no-print-directory all
	@./procspan demo

unit: $(TESTS:%=$(B)/tests/%) $(FUZZERS:%=$(B)/tests/%) $(B)/procspan
	@tests/run.sh $(B) $(TESTS:%=$(B)/tests/%) $(FUZZERS:%=$(B)/tests/%)

check-quick:
	@$(MAKE) --no-print-directory FLAVOUR=release all unit

check: packages
	@tests/check.sh release asan tsan hard

fuzz:
	@test -n "$(TARGET)" || { echo "make fuzz TARGET=eql SECONDS=1200; targets: $(FUZZERS:fuzz_%=%)"; exit 2; }
	@$(MAKE) --no-print-directory FLAVOUR=fuzz build/fuzz/tests/fuzz_$(TARGET)
	@mkdir -p build/fuzz/corpus/$(TARGET) tests/corpus/$(TARGET)
	build/fuzz/tests/fuzz_$(TARGET) -max_total_time=$(or $(SECONDS),60) -timeout=5 -rss_limit_mb=512 \
	  -print_final_stats=1 build/fuzz/corpus/$(TARGET) tests/corpus/$(TARGET)

bench: packages
	@$(MAKE) --no-print-directory all
	@./procspan bench

# The same captures through other programs, those that are installed, in one table.
bench-peers: packages
	@$(MAKE) --no-print-directory all
	@tests/bench_peers.sh ./procspan

lint:
	@tests/packages.sh $(PACKAGES) $(LINTERS)
	@tests/lint.sh $(FILES)

format:
	@tests/packages.sh clang-format
	@clang-format -i $$(git ls-files '*.c' '*.h' '*.cc')

# For editors; bear watches a build from scratch, and keeps what it saw of the other files.
compile_commands.json:
	@tests/packages.sh bear
	@echo "  BEAR $@"
	$(Q)bear -- $(MAKE) --no-print-directory -B all $(TESTS:%=$(B)/tests/%.o) >/dev/null

DESTDIR ?=
PREFIX  ?= /usr/local
DATA     = $(PREFIX)/share/procspan
install: all
	install -Dm755 $(B)/procspan $(DESTDIR)$(PREFIX)/bin/procspan
	install -d $(DESTDIR)$(DATA)/rules $(DESTDIR)$(DATA)/tests/golden/demo
	install -m644 rules/library/*.toml $(DESTDIR)$(DATA)/rules/
	install -m644 tests/golden/demo/packets.pcap tests/golden/demo/events.ndjson $(DESTDIR)$(DATA)/tests/golden/demo/
	install -Dm644 README.md $(DESTDIR)$(PREFIX)/share/doc/procspan/README.md

clean:
	rm -rf build procspan

-include $(wildcard build/$(FLAVOUR)/*/*.d build/$(FLAVOUR)/*/*/*.d)
