// `/dev/nsm` of the boot test: a character device in user space (CUSE), so that the ioctl path of
// the image's addon runs against a kernel. It carries each request to the simulated NSM behind a
// unix socket, in frames of a 4-byte big-endian length, and knows nothing of CBOR. The rules of the
// ioctl are those of Linux' drivers/misc/nsm.c. It must never be part of an image.

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define NSM_IOCTL 0xC0200A00u
#define REQUEST_BYTES_MAX 0x1000u
#define RESPONSE_BYTES_MAX 0x3000u
#define MESSAGE_BYTES_MAX (128 * 1024)

// The argument of the ioctl (nitro-kms.md section 1).
struct nsm_raw {
  uint64_t request_address;
  uint64_t request_length;
  uint64_t response_address;
  uint64_t response_length;
};

static const char *socket_path;
static int cuse;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void answer(uint64_t unique, int error, struct iovec *parts, int part_count) {
  struct fuse_out_header head = {.error = error, .unique = unique};
  struct iovec all[4];
  all[0] = (struct iovec){&head, sizeof(head)};
  head.len = sizeof(head);
  for (int index = 0; index < part_count; index++) {
    all[index + 1] = parts[index];
    head.len += parts[index].iov_len;
  }
  // ENOENT: the caller was killed while we worked.
  if (writev(cuse, all, part_count + 1) < 0 && errno != ENOENT) die("answer");
}

static void answer_error(uint64_t unique, int error) { answer(unique, -error, NULL, 0); }

static int transfer(int peer, void *bytes, size_t length, int is_write) {
  for (size_t done = 0; done < length;) {
    char *at = (char *)bytes + done;
    ssize_t count = is_write ? send(peer, at, length - done, MSG_NOSIGNAL)
                             : read(peer, at, length - done);
    if (count <= 0) return -1;
    done += count;
  }
  return 0;
}

// The length of the response, or -1 when there is no NSM.
static ssize_t ask(char *request, uint32_t length, char *response) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, socket_path, sizeof(address.sun_path) - 1);
  int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (peer < 0) die("socket");
  unsigned char head[4] = {length >> 24, length >> 16, length >> 8, length};
  ssize_t answered = -1;
  if (connect(peer, (struct sockaddr *)&address, sizeof(address)) == 0 &&
      transfer(peer, head, 4, 1) == 0 && transfer(peer, request, length, 1) == 0 &&
      transfer(peer, head, 4, 0) == 0) {
    uint32_t size = (uint32_t)head[0] << 24 | head[1] << 16 | head[2] << 8 | head[3];
    if (size <= RESPONSE_BYTES_MAX && transfer(peer, response, size, 0) == 0) answered = size;
  }
  close(peer);
  return answered;
}

// CUSE hands over memory of the caller only after it was told where: the kernel asks again with
// what was asked for. First nothing is there, then the argument, then the request too.
static void retry(uint64_t unique, struct fuse_ioctl_iovec *vectors, int in_count, int out_count) {
  struct fuse_ioctl_out out = {
      .flags = FUSE_IOCTL_RETRY, .in_iovs = in_count, .out_iovs = out_count};
  struct iovec parts[] = {{&out, sizeof(out)},
                          {vectors, sizeof(*vectors) * (in_count + out_count)}};
  answer(unique, 0, parts, 2);
}

static void serve_ioctl(uint64_t unique, struct fuse_ioctl_in *in, char *data) {
  struct fuse_ioctl_iovec argument = {in->arg, sizeof(struct nsm_raw)};
  struct nsm_raw raw;
  if (in->cmd != NSM_IOCTL) return answer_error(unique, EINVAL);
  if (in->in_size == 0) return retry(unique, &argument, 1, 0);
  memcpy(&raw, data, sizeof(raw));
  if (raw.request_length > REQUEST_BYTES_MAX) return answer_error(unique, EMSGSIZE);
  if (raw.request_length == 0) return answer_error(unique, EINVAL);
  // A longer response is cut without a word, as the kernel does.
  if (raw.response_length > RESPONSE_BYTES_MAX) raw.response_length = RESPONSE_BYTES_MAX;
  if (in->in_size == sizeof(raw)) {
    struct fuse_ioctl_iovec vectors[] = {argument,
                                         {raw.request_address, raw.request_length},
                                         argument,
                                         {raw.response_address, raw.response_length}};
    return retry(unique, vectors, 2, 2);
  }
  static char response[RESPONSE_BYTES_MAX];
  ssize_t length = ask(data + sizeof(raw), raw.request_length, response);
  if (length < 0) return answer_error(unique, EIO);
  if ((uint64_t)length < raw.response_length) raw.response_length = length;
  struct fuse_ioctl_out out = {.result = 0};
  struct iovec parts[] = {
      {&out, sizeof(out)}, {&raw, sizeof(raw)}, {response, raw.response_length}};
  answer(unique, 0, parts, 3);
}

static void serve_init(uint64_t unique) {
  struct cuse_init_out out = {.major = FUSE_KERNEL_VERSION,
                              .minor = FUSE_KERNEL_MINOR_VERSION,
                              .flags = CUSE_UNRESTRICTED_IOCTL,
                              .max_read = 4096,
                              .max_write = 4096};
  char name[] = "DEVNAME=nsm";
  struct iovec parts[] = {{&out, sizeof(out)}, {name, sizeof(name)}};
  answer(unique, 0, parts, 2);
}

static void serve(struct fuse_in_header *head) {
  struct fuse_open_out opened = {.open_flags = FOPEN_DIRECT_IO | FOPEN_NONSEEKABLE};
  struct iovec part = {&opened, sizeof(opened)};
  struct fuse_ioctl_in *in = (struct fuse_ioctl_in *)(head + 1);
  switch (head->opcode) {
    case CUSE_INIT:
      return serve_init(head->unique);
    case FUSE_OPEN:
      return answer(head->unique, 0, &part, 1);
    case FUSE_IOCTL:
      return serve_ioctl(head->unique, in, (char *)(in + 1));
    case FUSE_RELEASE:
    case FUSE_FLUSH:
      return answer_error(head->unique, 0);
    case FUSE_INTERRUPT:
      // It has no answer, and nothing here can be broken off.
      return;
    default:
      return answer_error(head->unique, ENOSYS);
  }
}

int main(int count, char **arguments) {
  static char message[MESSAGE_BYTES_MAX] __attribute__((aligned(8)));
  if (count != 2) {
    fputs("usage: cuse-nsm SOCKET\n", stderr);
    return 2;
  }
  socket_path = arguments[1];
  cuse = open("/dev/cuse", O_RDWR | O_CLOEXEC);
  if (cuse < 0) die("/dev/cuse");
  for (;;) {
    ssize_t length = read(cuse, message, sizeof(message));
    if (length < 0 && (errno == EINTR || errno == ENOENT)) continue;
    if (length < (ssize_t)sizeof(struct fuse_in_header)) die("read");
    serve((struct fuse_in_header *)message);
  }
}
