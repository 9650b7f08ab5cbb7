#include "correlator/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { WORD_MAX = 64, SECONDS_MAX = 5, QUEUE = 16 };

struct control {
	struct evconnlistener *listener;
	control_answer_fn *answer;
	void *context;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* --- the service's side ----------------------------------------------------------------------- */

static void on_written(struct bufferevent *stream, void *context)
{
	(void)context;
	bufferevent_free(stream);
}

static void on_event(struct bufferevent *stream, short what, void *context)
{
	(void)what;
	(void)context;
	bufferevent_free(stream);
}

static void on_read(struct bufferevent *stream, void *context)
{
	const struct control *control = context;
	char *word = evbuffer_readln(bufferevent_get_input(stream), NULL, EVBUFFER_EOL_LF);
	if (!word)
		return;
	json_t *answer = control->answer(control->context, word);
	if (!answer)
		answer = json_pack("{s:s}", "error", "unknown word");
	char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	json_decref(answer);
	free(word);
	bufferevent_disable(stream, EV_READ);
	bufferevent_setcb(stream, NULL, on_written, on_event, NULL);
	if (text)
		bufferevent_write(stream, text, strlen(text));
	bufferevent_write(stream, "\n", 1);
	free(text);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int size, void *context)
{
	(void)address;
	(void)size;
	const struct timeval patience = { .tv_sec = SECONDS_MAX };
	struct bufferevent *stream = bufferevent_socket_new(evconnlistener_get_base(listener), fd,
							    BEV_OPT_CLOSE_ON_FREE);
	if (!stream) {
		evutil_closesocket(fd);
		return;
	}
	bufferevent_setcb(stream, on_read, NULL, on_event, context);
	bufferevent_setwatermark(stream, EV_READ, 0, WORD_MAX);
	bufferevent_set_timeouts(stream, &patience, &patience);
	bufferevent_enable(stream, EV_READ | EV_WRITE);
}

static int bind_socket(const struct sockaddr_un *address)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	unlink(address->sun_path); /* of an earlier run */
	const mode_t before = umask(0177);
	const int result = bind(fd, (const struct sockaddr *)address, sizeof(*address));
	umask(before);
	if (result == 0)
		return fd;
	close(fd);
	return -1;
}

bool control_open(struct event_base *base, const char *path, control_answer_fn *answer,
		  void *context, struct complaint *complaint, struct control **out_control)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct control *control = calloc(1, sizeof(*control));
	if (!control || strlen(path) >= sizeof(address.sun_path)) {
		free(control);
		return complain(complaint, NULL, 0, 0, "control %.200s: the path is too long",
				path);
	}
	memcpy(address.sun_path, path, strlen(path));
	memcpy(control->path, address.sun_path, sizeof(control->path));
	control->answer = answer;
	control->context = context;
	const int fd = bind_socket(&address);
	if (fd >= 0)
		control->listener = evconnlistener_new(base, on_accept, control,
						       LEV_OPT_CLOSE_ON_FREE, QUEUE, fd);
	if (control->listener) {
		*out_control = control;
		return true;
	}
	complain(complaint, NULL, 0, 0, "control %.200s: %s", path, strerror(errno));
	free(control);
	return false;
}

void control_close(struct control *control)
{
	if (!control)
		return;
	evconnlistener_free(control->listener);
	unlink(control->path);
	free(control);
}

/* --- the other side --------------------------------------------------------------------------- */

static json_t *read_answer(int fd, const char *path)
{
	FILE *stream = fdopen(fd, "r");
	json_error_t error;
	json_t *answer = stream ? json_loadf(stream, JSON_DISABLE_EOF_CHECK, &error) : NULL;
	if (!answer)
		fprintf(stderr, "procspan: %s: no answer\n", path);
	if (stream)
		fclose(stream);
	else
		close(fd);
	return answer;
}

json_t *control_ask(const char *path, const char *word)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval patience = { .tv_sec = SECONDS_MAX };
	char line[WORD_MAX];
	const int size = snprintf(line, sizeof(line), "%s\n", word);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    send(fd, line, (size_t)size, MSG_NOSIGNAL) != size) {
		fprintf(stderr, "procspan: %s: %s; is the service running, with `control` set?\n",
			path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	return read_answer(fd, path);
}
