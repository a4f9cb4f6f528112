// AF_VSOCK sockets for Node: accepts and connects, says who is at the other end, and nothing more.
// Reading and writing are libuv's, once shared/wire/vsock.ts has wrapped a descriptor. Accepting is
// ours, because Node accepts only with the right to use the network, and the image has none.
// Every descriptor that is made here is non-blocking and close-on-exec, and has one owner at any
// time: this file until a function has returned it or a callback has taken it, then JavaScript. It
// must never block, never keep a descriptor that nobody took, and never touch one that is neither
// AF_VSOCK nor made here. There are no globals: it may be loaded in any number of threads.

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

// The kernel's header needs sys/socket.h before it.
#include <linux/vm_sockets.h>

#include "arguments.h"

#define BACKLOG_COUNT_MAX 4096
#define TIMEOUT_MS_MAX 600000

// A CID and a port, both of 32 bits.
static bool read_address(napi_env env, const napi_value *values, struct sockaddr_vm *out) {
  uint64_t cid, port;
  if (!read_integer(env, values[0], UINT32_MAX, &cid) ||
      !read_integer(env, values[1], UINT32_MAX, &port)) {
    return false;
  }
  memset(out, 0, sizeof *out);
  out->svm_family = AF_VSOCK;
  out->svm_cid = (unsigned int)cid;
  out->svm_port = (unsigned int)port;
  return true;
}

typedef int (*name_call)(int, struct sockaddr *, socklen_t *);

// A descriptor, and an address of it: getsockname or getpeername. Refuses what is not AF_VSOCK, so
// that no function here can be turned on another file of the process.
static bool read_socket(napi_env env, napi_value value, name_call call, int *fd,
                        struct sockaddr_vm *address) {
  uint64_t number;
  if (!read_integer(env, value, INT_MAX, &number)) return false;
  // Large enough for every family: the length that comes back must be compared, not cut.
  struct sockaddr_storage storage = {0};
  socklen_t length = sizeof storage;
  *fd = (int)number;
  if (call(*fd, (struct sockaddr *)&storage, &length) != 0) {
    throw_errno(env, "socket address", errno);
    return false;
  }
  if (length != sizeof *address || storage.ss_family != AF_VSOCK) {
    throw_errno(env, "not AF_VSOCK", EAFNOSUPPORT);
    return false;
  }
  memcpy(address, &storage, sizeof *address);
  return true;
}

static napi_value number_value(napi_env env, double number) {
  napi_value value;
  return napi_create_double(env, number, &value) == napi_ok ? value : NULL;
}

// A descriptor for JavaScript, or closed.
static napi_value give_fd(napi_env env, int fd) {
  napi_value value = number_value(env, fd);
  if (value == NULL) close(fd);
  return value;
}

static int open_socket(void) {
  return socket(AF_VSOCK, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

// listen(cid, port, backlog) -> fd

static napi_value vsock_listen(napi_env env, napi_callback_info info) {
  napi_value values[3];
  struct sockaddr_vm address;
  uint64_t backlog;
  if (!read_arguments(env, info, 3, values) || !read_address(env, values, &address) ||
      !read_integer(env, values[2], BACKLOG_COUNT_MAX, &backlog)) {
    return NULL;
  }
  int fd = open_socket();
  if (fd < 0) return throw_errno(env, "socket", errno);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    int error = errno;
    close(fd);
    return throw_errno(env, "bind", error);
  }
  if (listen(fd, (int)backlog) != 0) {
    int error = errno;
    close(fd);
    return throw_errno(env, "listen", error);
  }
  return give_fd(env, fd);
}

// Looks for a handle of the loop that has the descriptor.
typedef struct {
  int fd;
  bool is_found;
} search;

static void compare_handle(uv_handle_t *handle, void *data) {
  search *self = data;
  uv_os_fd_t fd;
  if (uv_fileno(handle, &fd) == 0 && fd == self->fd) self->is_found = true;
}

// Whether a stream of this thread has the descriptor.
static bool is_owned(napi_env env, int fd) {
  uv_loop_t *loop;
  search self = {.fd = fd};
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return false;
  uv_walk(loop, compare_handle, &self);
  return self.is_found;
}

// Whether the descriptor is still the file that was offered, and nobody's. When JavaScript throws
// or its thread is ended, it stops anywhere, also between taking a descriptor and saying so: Node
// closes the stream then, or has done so, and the number may be another thread's by now.
static bool is_left(napi_env env, int fd, const struct stat *offered) {
  struct stat now;
  return fstat(fd, &now) == 0 && now.st_dev == offered->st_dev &&
         now.st_ino == offered->st_ino && !is_owned(env, fd);
}

// The arguments of a call: (null, fd, cid) or (code, -1, 0).
static bool write_offer(napi_env env, int error, int fd, unsigned int cid, napi_value *out) {
  char code[ERROR_CODE_BYTES];
  write_code(error, code);
  napi_status status = error == 0
                           ? napi_get_null(env, &out[0])
                           : napi_create_string_latin1(env, code, NAPI_AUTO_LENGTH, &out[0]);
  return status == napi_ok && napi_create_int32(env, fd, &out[1]) == napi_ok &&
         napi_create_uint32(env, cid, &out[2]) == napi_ok;
}

// Calls callback(null, fd, cid) or callback(code, -1, 0). The callback returns true when it has
// taken the descriptor. If it refuses, throws or can't run any more, the descriptor is closed.
static void offer(napi_env env, napi_ref callback, int error, int fd, unsigned int cid) {
  bool is_taken = false;
  struct stat offered = {0};
  if (fd >= 0) fstat(fd, &offered);
  napi_handle_scope scope;
  napi_value function, receiver, result, arguments[3];
  if (napi_open_handle_scope(env, &scope) == napi_ok) {
    if (napi_get_reference_value(env, callback, &function) == napi_ok && function != NULL &&
        napi_get_global(env, &receiver) == napi_ok &&
        write_offer(env, error, fd, cid, arguments)) {
      if (napi_make_callback(env, NULL, receiver, function, 3, arguments, &result) == napi_ok) {
        // There is no answer of a thread that is being ended, although nothing has failed.
        if (napi_get_value_bool(env, result, &is_taken) != napi_ok) is_taken = false;
      } else {
        rethrow(env);
      }
    }
    napi_close_handle_scope(env, scope);
  }
  if (fd >= 0 && !is_taken && is_left(env, fd, &offered)) close(fd);
}

// accept(fd, callback) -> acceptor, resume(acceptor), stop(acceptor)
//
// One `acceptor` per listening descriptor, which it owns. JavaScript holds it as an External, which
// is referenced from here for as long as the poll handle is open: the finalizer, which frees it,
// can only run after on_acceptor_closed, or at the end of the environment, after that as well.

#define ACCEPT_COUNT_PER_TURN 64

typedef struct {
  napi_env env;
  napi_ref callback;
  napi_ref external;
  napi_async_cleanup_hook_handle hook;
  uv_poll_t poll;
  int fd;
} acceptor;

// So that another addon's External is not taken for an acceptor.
static const napi_type_tag ACCEPTOR_TAG = {0x7265646f7562742d, 0x2d76736f636b2d31};

static void finalize_acceptor(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  free(data);
}

static void on_acceptor_closed(uv_handle_t *handle) {
  acceptor *self = handle->data;
  napi_async_cleanup_hook_handle hook = self->hook;
  napi_delete_reference(self->env, self->callback);
  napi_delete_reference(self->env, self->external);
  // Last: in a teardown this may free the environment, and with it the acceptor.
  napi_remove_async_cleanup_hook(hook);
}

// The port is free again when this returns: the descriptor of a handle that closes is not watched.
static void close_acceptor(acceptor *self) {
  if (!uv_is_closing((uv_handle_t *)&self->poll)) {
    uv_close((uv_handle_t *)&self->poll, on_acceptor_closed);
    close(self->fd);
  }
}

static void on_acceptor_teardown(napi_async_cleanup_hook_handle hook, void *data) {
  (void)hook;
  close_acceptor(data);
}

// What an accept may fail with although the listener is sound: nobody is waiting any more.
static bool is_passing(int error) {
  return error == EAGAIN || error == EINTR || error == ECONNABORTED || error == ECONNRESET ||
         error == EPROTO || error == ENOTCONN;
}

static void on_waiting(uv_poll_t *poll, int status, int events) {
  (void)events;
  acceptor *self = poll->data;
  // libuv has stopped the handle by itself.
  if (status != 0) offer(self->env, self->callback, -status, -1, 0);
  // A few at a time, so that a storm of connections does not keep the loop from everything else.
  // Stops when a callback has stopped the acceptor.
  for (int count = 0; count < ACCEPT_COUNT_PER_TURN && uv_is_active((uv_handle_t *)poll); count++) {
    struct sockaddr_storage peer = {0};
    socklen_t length = sizeof peer;
    int fd = accept4(self->fd, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int error = fd < 0 ? errno : 0;
    if (error != 0 && is_passing(error)) return;
    if (error == 0 && (length != sizeof(struct sockaddr_vm) || peer.ss_family != AF_VSOCK)) {
      close(fd);
      continue;
    }
    if (error == 0) {
      offer(self->env, self->callback, 0, fd, ((struct sockaddr_vm *)&peer)->svm_cid);
      continue;
    }
    // No descriptors or memory left, or the socket is broken. The connection still waits, so the
    // poll would come back at once: JavaScript says when to go on.
    uv_poll_stop(poll);
    offer(self->env, self->callback, error, -1, 0);
  }
}

// The acceptor that is the one argument, or NULL after a throw.
static acceptor *read_acceptor(napi_env env, napi_callback_info info) {
  napi_value value;
  napi_valuetype type;
  bool is_acceptor = false;
  void *data = NULL;
  if (!read_arguments(env, info, 1, &value)) return NULL;
  if (napi_typeof(env, value, &type) != napi_ok || type != napi_external ||
      napi_check_object_type_tag(env, value, &ACCEPTOR_TAG, &is_acceptor) != napi_ok ||
      !is_acceptor || napi_get_value_external(env, value, &data) != napi_ok || data == NULL) {
    throw_argument(env, "not an acceptor");
    return NULL;
  }
  return data;
}

// Takes the descriptor only when it succeeds: after a throw it is still the caller's.
static napi_value vsock_accept(napi_env env, napi_callback_info info) {
  napi_value values[2], external;
  int fd;
  struct sockaddr_vm address;
  uv_loop_t *loop;
  if (!read_arguments(env, info, 2, values)) return NULL;
  if (!is_function(env, values[1])) return throw_argument(env, "not a function");
  if (!read_socket(env, values[0], getsockname, &fd, &address)) return NULL;
  acceptor *self = calloc(1, sizeof *self);
  if (self == NULL) return throw_errno(env, "accept", ENOMEM);
  self->env = env;
  self->fd = fd;
  if (napi_create_external(env, self, finalize_acceptor, NULL, &external) != napi_ok) {
    free(self);
    return throw_errno(env, "accept", ENOMEM);
  }
  // From here on the finalizer frees it.
  if (napi_type_tag_object(env, external, &ACCEPTOR_TAG) != napi_ok ||
      napi_get_uv_event_loop(env, &loop) != napi_ok ||
      napi_create_reference(env, values[1], 1, &self->callback) != napi_ok) {
    return throw_errno(env, "accept", ENOMEM);
  }
  if (napi_create_reference(env, external, 1, &self->external) != napi_ok) {
    napi_delete_reference(env, self->callback);
    return throw_errno(env, "accept", ENOMEM);
  }
  int status = 0;
  if (napi_add_async_cleanup_hook(env, on_acceptor_teardown, self, &self->hook) != napi_ok) {
    status = UV_ENOMEM;
  } else {
    status = uv_poll_init(loop, &self->poll, fd);
    if (status != 0) napi_remove_async_cleanup_hook(self->hook);
  }
  if (status != 0) {
    napi_delete_reference(env, self->callback);
    napi_delete_reference(env, self->external);
    return throw_errno(env, "accept", -status);
  }
  self->poll.data = self;
  // Can't fail: the handle is new, and nothing else of this loop watches the descriptor.
  uv_poll_start(&self->poll, UV_READABLE, on_waiting);
  return external;
}

static napi_value vsock_resume(napi_env env, napi_callback_info info) {
  acceptor *self = read_acceptor(env, info);
  if (self != NULL && !uv_is_closing((uv_handle_t *)&self->poll)) {
    uv_poll_start(&self->poll, UV_READABLE, on_waiting);
  }
  return NULL;
}

static napi_value vsock_stop(napi_env env, napi_callback_info info) {
  acceptor *self = read_acceptor(env, info);
  if (self != NULL) close_acceptor(self);
  return NULL;
}

// connect(cid, port, timeoutMs, callback)
//
// One `attempt` per call, on the heap, freed in one place (on_attempt_closed). Its life: started,
// polled until the kernel decides, then its poll handle is closed, and only then the descriptor is
// offered, since libuv knows one watcher per descriptor. When the thread's environment ends first,
// the cleanup hook closes the handle, and the descriptor with it.

typedef struct {
  napi_env env;
  napi_ref callback;
  napi_async_cleanup_hook_handle hook;
  uv_poll_t poll;
  int fd;
  int error;       // errno of the connect, 0 when connected
  bool abandoned;  // the environment ends: no JavaScript any more
  unsigned int peer_cid;
} attempt;

static void on_attempt_closed(uv_handle_t *handle) {
  attempt *self = handle->data;
  attempt last = *self;
  free(self);
  if (last.error != 0 || last.abandoned) {
    close(last.fd);
    last.fd = -1;
  }
  if (!last.abandoned) {
    offer(last.env, last.callback, last.error, last.fd, last.peer_cid);
    napi_delete_reference(last.env, last.callback);
  }
  // Last: in a teardown this may free the environment.
  napi_remove_async_cleanup_hook(last.hook);
}

// on_attempt_closed follows, whether the handle was already closing or not.
static void on_attempt_teardown(napi_async_cleanup_hook_handle hook, void *data) {
  (void)hook;
  attempt *self = data;
  self->abandoned = true;
  napi_delete_reference(self->env, self->callback);
  if (!uv_is_closing((uv_handle_t *)&self->poll)) {
    uv_close((uv_handle_t *)&self->poll, on_attempt_closed);
  }
}

// The kernel has decided: connected, refused or timed out.
static void on_decided(uv_poll_t *poll, int status, int events) {
  (void)events;
  attempt *self = poll->data;
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(self->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error == 0 && status != 0) error = EIO;
  // Writable without an error is not yet proof of a connection: nobody may be there any more.
  struct sockaddr_vm peer = {0};
  length = sizeof peer;
  if (error == 0 && getpeername(self->fd, (struct sockaddr *)&peer, &length) != 0) {
    error = errno == ENOTCONN ? ECONNRESET : errno;
  }
  self->error = error;
  self->peer_cid = peer.svm_cid;
  uv_close((uv_handle_t *)poll, on_attempt_closed);
}

// Starts an attempt over a socket that is connecting. On an error it has kept nothing.
static int start_attempt(napi_env env, napi_value callback, int fd) {
  uv_loop_t *loop;
  attempt *self = calloc(1, sizeof *self);
  if (self == NULL) return ENOMEM;
  self->env = env;
  self->fd = fd;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok ||
      napi_create_reference(env, callback, 1, &self->callback) != napi_ok) {
    free(self);
    return ENOMEM;
  }
  int status = 0;
  if (napi_add_async_cleanup_hook(env, on_attempt_teardown, self, &self->hook) != napi_ok) {
    status = UV_ENOMEM;
  } else {
    status = uv_poll_init(loop, &self->poll, fd);
    if (status != 0) napi_remove_async_cleanup_hook(self->hook);
  }
  if (status != 0) {
    napi_delete_reference(env, self->callback);
    free(self);
    return -status;
  }
  self->poll.data = self;
  // Can't fail: the handle is new, and nothing else of this loop watches the descriptor.
  uv_poll_start(&self->poll, UV_WRITABLE, on_decided);
  return 0;
}

static napi_value vsock_connect(napi_env env, napi_callback_info info) {
  napi_value values[4];
  struct sockaddr_vm address;
  uint64_t timeout_ms;
  if (!read_arguments(env, info, 4, values) || !read_address(env, values, &address) ||
      !read_integer(env, values[2], TIMEOUT_MS_MAX, &timeout_ms)) {
    return NULL;
  }
  // The kernel takes 0 as "the default".
  if (timeout_ms == 0) return throw_argument(env, "no time to connect");
  if (!is_function(env, values[3])) return throw_argument(env, "not a function");
  int fd = open_socket();
  if (fd < 0) return throw_errno(env, "socket", errno);
  // The kernel keeps the time: it fails a connect that is late with ETIMEDOUT, also one that does
  // not block (vsock_connect_timeout in net/vmw_vsock/af_vsock.c).
  struct timeval timeout = {
      .tv_sec = (time_t)(timeout_ms / 1000),
      .tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000),
  };
  int error = 0;
  if (setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, sizeof timeout) != 0 ||
      (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS)) {
    error = errno;
  } else {
    error = start_attempt(env, values[3], fd);
  }
  if (error != 0) {
    close(fd);
    return throw_errno(env, "connect", error);
  }
  return NULL;
}

// peer(fd) -> { cid, port }: set by the kernel and the hypervisor, not by the peer.
static napi_value vsock_peer(napi_env env, napi_callback_info info) {
  napi_value value;
  int fd;
  struct sockaddr_vm address;
  if (!read_arguments(env, info, 1, &value) ||
      !read_socket(env, value, getpeername, &fd, &address)) {
    return NULL;
  }
  napi_value object;
  napi_value cid = number_value(env, address.svm_cid);
  napi_value port = number_value(env, address.svm_port);
  if (cid == NULL || port == NULL || napi_create_object(env, &object) != napi_ok ||
      napi_set_named_property(env, object, "cid", cid) != napi_ok ||
      napi_set_named_property(env, object, "port", port) != napi_ok) {
    return NULL;
  }
  return object;
}

// localPort(fd) -> number
static napi_value vsock_local_port(napi_env env, napi_callback_info info) {
  napi_value value;
  int fd;
  struct sockaddr_vm address;
  if (!read_arguments(env, info, 1, &value) ||
      !read_socket(env, value, getsockname, &fd, &address)) {
    return NULL;
  }
  return number_value(env, address.svm_port);
}

// localCid() -> number
static napi_value vsock_local_cid(napi_env env, napi_callback_info info) {
  if (!read_arguments(env, info, 0, NULL)) return NULL;
  int device = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
  if (device < 0) return throw_errno(env, "open /dev/vsock", errno);
  unsigned int cid = 0;
  int status = ioctl(device, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid);
  int error = errno;
  close(device);
  if (status != 0) return throw_errno(env, "local CID", error);
  return number_value(env, cid);
}

// close(fd): only for a descriptor that neither a stream nor an acceptor has taken.
static napi_value vsock_close(napi_env env, napi_callback_info info) {
  napi_value value;
  int fd;
  struct sockaddr_vm address;
  if (!read_arguments(env, info, 1, &value) ||
      !read_socket(env, value, getsockname, &fd, &address)) {
    return NULL;
  }
  // Linux frees the descriptor whatever close answers; it must never be tried again.
  close(fd);
  return NULL;
}

// pair(callback): offers the two ends of an AF_UNIX stream, one after the other. Node says which
// class it uses for streams only when it is given a descriptor that it knows, and needs no right to
// use the network for that.
static napi_value vsock_pair(napi_env env, napi_callback_info info) {
  napi_value function;
  napi_ref callback;
  int fds[2];
  if (!read_arguments(env, info, 1, &function)) return NULL;
  if (!is_function(env, function)) return throw_argument(env, "not a function");
  if (napi_create_reference(env, function, 1, &callback) != napi_ok) {
    return throw_errno(env, "pair", ENOMEM);
  }
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) {
    int error = errno;
    napi_delete_reference(env, callback);
    return throw_errno(env, "socketpair", error);
  }
  offer(env, callback, 0, fds[0], 0);
  offer(env, callback, 0, fds[1], 0);
  napi_delete_reference(env, callback);
  return NULL;
}

NAPI_MODULE_INIT() {
  const napi_property_descriptor methods[] = {
      METHOD("listen", vsock_listen),
      METHOD("accept", vsock_accept),
      METHOD("resume", vsock_resume),
      METHOD("stop", vsock_stop),
      METHOD("connect", vsock_connect),
      METHOD("peer", vsock_peer),
      METHOD("localPort", vsock_local_port),
      METHOD("localCid", vsock_local_cid),
      METHOD("pair", vsock_pair),
      METHOD("close", vsock_close),
  };
  if (napi_define_properties(env, exports, sizeof methods / sizeof *methods, methods) != napi_ok) {
    return NULL;
  }
  return exports;
}
