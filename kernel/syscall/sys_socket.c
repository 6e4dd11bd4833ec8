/*
 * System calls about sockets: what they are given is brought into the kernel and checked here, and
 * what is received is given to the program.
 */

#include <kernel/clock.h>
#include <kernel/credentials.h>
#include <kernel/errno.h>
#include <kernel/file.h>
#include <kernel/socket.h>
#include <kernel/string.h>
#include <kernel/vnode.h>
#include <linux/fcntl.h>
#include <linux/uio.h>
#include <mm/slab.h>
#include <mm/user_copy.h>
#include <proc/process.h>

#include "sys.h"

#define NR_PIECES_ON_STACK 8
#define CONTROL_BYTES_MAX  20480 /* as Linux's net.core.optmem_max */

/* The most that one call moves, as of other files. */
#define TRANSFER_BYTES_MAX ((size_t)INT32_MAX & ~(PAGE_SIZE - 1))

static struct fd_table *files(void)
{
    return process_current()->files;
}

/* The file of a socket's descriptor, with a reference. 0, -EBADF, -ENOTSOCK. */
static int get_socket(int fd, struct file **file)
{
    *file = fd_get(files(), fd);
    if (*file == NULL)
        return -EBADF;
    if (socket_is(*file))
        return 0;
    file_put(*file);
    return -ENOTSOCK;
}

/* ---- Addresses ------------------------------------------------------------------------------ */

/* An address from user memory, and the folder that a path in it is seen from, with a reference. */
static int get_address(vaddr_t at, int nr_bytes, struct socket_address *address,
                       struct inode **start)
{
    memset(address, 0, sizeof(*address));
    *start = NULL;
    if (nr_bytes < (int)sizeof(address->un.sun_family) || nr_bytes > (int)sizeof(address->un))
        return -EINVAL;
    if (user_copy_from(&address->un, at, (size_t)nr_bytes) != 0)
        return -EFAULT;
    address->nr_bytes = (size_t)nr_bytes;
    if (address->un.sun_family != AF_UNIX)
        return address->un.sun_family == AF_UNSPEC ? 0 : -EINVAL;
    if (address->un.sun_path[0] != '\0' && address->un.sun_path[0] != '/')
        *start = process_get_cwd(process_current());
    return 0;
}

/* Tells as much of an address as there is room for, and how long it is. 0, -EFAULT, -EINVAL. */
static int put_address(const struct socket_address *address, vaddr_t at, vaddr_t nr_bytes_at)
{
    int nr_room, nr_bytes = (int)address->nr_bytes;

    if (user_copy_from(&nr_room, nr_bytes_at, sizeof(nr_room)) != 0)
        return -EFAULT;
    if (nr_room < 0)
        return -EINVAL;
    if (user_copy_to(at, &address->un, (size_t)MIN(nr_room, nr_bytes)) != 0)
        return -EFAULT;
    return user_copy_to(nr_bytes_at, &nr_bytes, sizeof(nr_bytes));
}

/* ---- Making and connecting ------------------------------------------------------------------ */

/* The type and the flags in socket()'s type. 0 or -errno. */
static int check_kind(int domain, int *type, int protocol, unsigned *flags)
{
    *flags = (unsigned)*type & ~0xfu;
    *type &= 0xf;
    if (*flags & ~(unsigned)(SOCK_NONBLOCK | SOCK_CLOEXEC))
        return -EINVAL;
    if (domain != AF_UNIX)
        return -EAFNOSUPPORT;
    if (protocol != 0 && protocol != PF_UNIX)
        return -EPROTONOSUPPORT;
    if (*type == SOCK_RAW)
        *type = SOCK_DGRAM; /* as on Linux */
    return *type == SOCK_STREAM || *type == SOCK_DGRAM || *type == SOCK_SEQPACKET
               ? 0
               : -ESOCKTNOSUPPORT;
}

int64_t sys_socket(int domain, int type, int protocol)
{
    struct file *file;
    unsigned flags;
    int error = check_kind(domain, &type, protocol, &flags);

    if (error == 0)
        error = socket_create(type, flags & SOCK_NONBLOCK, &file);
    return error != 0 ? error : syscall_install(file, flags & SOCK_CLOEXEC);
}

int64_t sys_socketpair(int domain, int type, int protocol, vaddr_t fds_at)
{
    struct file *pair[2];
    unsigned flags;
    int error = check_kind(domain, &type, protocol, &flags);

    if (error == 0)
        error = socket_create_pair(type, flags & SOCK_NONBLOCK, pair);
    return error != 0 ? error : syscall_install_pair(pair, fds_at, flags & SOCK_CLOEXEC);
}

/* What bind() and connect() have in common. */
static int64_t with_address(int fd, vaddr_t address_at, int nr_bytes,
                            int (*fn)(struct file *, const struct socket_address *, struct inode *))
{
    struct socket_address address;
    struct inode *start;
    struct file *file;
    int error = get_socket(fd, &file);

    if (error != 0)
        return error;
    error = get_address(address_at, nr_bytes, &address, &start);
    if (error == 0) {
        error = fn(file, &address, start);
        inode_put(start);
    }
    file_put(file);
    return error;
}

static int bind(struct file *file, const struct socket_address *address, struct inode *start)
{
    if (address->un.sun_family != AF_UNIX)
        return -EINVAL;
    return socket_bind(file, address, start);
}

int64_t sys_bind(int fd, vaddr_t address_at, int nr_bytes)
{
    return with_address(fd, address_at, nr_bytes, bind);
}

int64_t sys_connect(int fd, vaddr_t address_at, int nr_bytes)
{
    return with_address(fd, address_at, nr_bytes, socket_connect);
}

int64_t sys_listen(int fd, int backlog)
{
    struct file *file;
    int error = get_socket(fd, &file);

    if (error != 0)
        return error;
    error = socket_listen(file, backlog);
    file_put(file);
    return error;
}

int64_t sys_accept4(int fd, vaddr_t address_at, vaddr_t nr_bytes_at, unsigned flags)
{
    struct file *file, *accepted;
    struct socket_address address;
    int error;

    if (flags & ~(unsigned)(SOCK_NONBLOCK | SOCK_CLOEXEC))
        return -EINVAL;
    error = get_socket(fd, &file);
    if (error != 0)
        return error;
    error = socket_accept(file, flags & SOCK_NONBLOCK, &accepted);
    file_put(file);
    if (error != 0)
        return error;
    if (address_at != 0) {
        /* Without peer: the other side has gone already. */
        if (socket_get_name(accepted, true, &address) != 0)
            address = (struct socket_address){.un.sun_family = AF_UNIX, .nr_bytes = 2};
        error = put_address(&address, address_at, nr_bytes_at);
    }
    if (error != 0) {
        file_put(accepted);
        return error;
    }
    return syscall_install(accepted, flags & SOCK_CLOEXEC);
}

int64_t sys_accept(int fd, vaddr_t address_at, vaddr_t nr_bytes_at)
{
    return sys_accept4(fd, address_at, nr_bytes_at, 0);
}

int64_t sys_shutdown(int fd, int how)
{
    struct file *file;
    int error = get_socket(fd, &file);

    if (error != 0)
        return error;
    error = socket_shutdown(file, how);
    file_put(file);
    return error;
}

static int64_t get_name(int fd, bool is_peer, vaddr_t address_at, vaddr_t nr_bytes_at)
{
    struct socket_address address;
    struct file *file;
    int error = get_socket(fd, &file);

    if (error != 0)
        return error;
    error = socket_get_name(file, is_peer, &address);
    file_put(file);
    return error != 0 ? error : put_address(&address, address_at, nr_bytes_at);
}

int64_t sys_getsockname(int fd, vaddr_t address_at, vaddr_t nr_bytes_at)
{
    return get_name(fd, false, address_at, nr_bytes_at);
}

int64_t sys_getpeername(int fd, vaddr_t address_at, vaddr_t nr_bytes_at)
{
    return get_name(fd, true, address_at, nr_bytes_at);
}

/* ---- Options -------------------------------------------------------------------------------- */

int64_t sys_setsockopt(int fd, int level, int option, vaddr_t at, int nr_bytes)
{
    struct file *file;
    int error;

    if (nr_bytes < 0)
        return -EINVAL;
    error = get_socket(fd, &file);
    if (error != 0)
        return error;
    error = -EOPNOTSUPP;
    if (level == SOL_SOCKET)
        error = socket_set_option(file, option, at, (size_t)nr_bytes);
    file_put(file);
    return error;
}

int64_t sys_getsockopt(int fd, int level, int option, vaddr_t at, vaddr_t nr_bytes_at)
{
    uint8_t value[SOCKET_OPTION_BYTES_MAX];
    struct file *file;
    int64_t result = get_socket(fd, &file);
    int nr_bytes;

    if (result != 0)
        return result;
    result = level == SOL_SOCKET ? socket_get_option(file, option, value) : -EOPNOTSUPP;
    file_put(file);
    if (result < 0)
        return result;
    if (user_copy_from(&nr_bytes, nr_bytes_at, sizeof(nr_bytes)) != 0)
        return -EFAULT;
    if (nr_bytes < 0)
        return -EINVAL;
    nr_bytes = MIN(nr_bytes, (int)result);
    if (user_copy_to(at, value, (size_t)nr_bytes) != 0)
        return -EFAULT;
    return user_copy_to(nr_bytes_at, &nr_bytes, sizeof(nr_bytes));
}

/* ---- send() and recv() ---------------------------------------------------------------------- */

int64_t sys_sendto(int fd, vaddr_t from, size_t nr_bytes, int flags, vaddr_t address_at,
                   int address_bytes)
{
    struct io_piece piece = {.at = from, .nr_bytes = MIN(nr_bytes, TRANSFER_BYTES_MAX)};
    struct socket_transfer transfer = {
        .data = {.pieces = &piece, .nr_pieces = 1}, .nr_bytes = piece.nr_bytes, .flags = flags};
    struct file *file;
    int64_t result = get_socket(fd, &file);

    if (result != 0)
        return result;
    if (address_at != 0)
        result = get_address(address_at, address_bytes, &transfer.address, &transfer.start);
    if (result == 0)
        result = socket_send(file, &transfer);
    inode_put(transfer.start);
    file_put(file);
    return result;
}

int64_t sys_recvfrom(int fd, vaddr_t to, size_t nr_bytes, int flags, vaddr_t address_at,
                     vaddr_t address_bytes_at)
{
    struct io_piece piece = {.at = to, .nr_bytes = MIN(nr_bytes, TRANSFER_BYTES_MAX)};
    struct socket_transfer transfer = {
        .data = {.pieces = &piece, .nr_pieces = 1}, .nr_bytes = piece.nr_bytes, .flags = flags};
    struct file *file;
    int64_t result = get_socket(fd, &file);
    int error = 0;

    if (result != 0)
        return result;
    result = socket_receive(file, &transfer);
    file_put(file);
    for (unsigned i = 0; i < transfer.nr_files; i++)
        file_put(transfer.files[i]); /* there is no room for them */
    kfree(transfer.files);
    if (result >= 0 && address_at != 0)
        error = put_address(&transfer.address, address_at, address_bytes_at);
    return error != 0 ? error : result;
}

/* ---- sendmsg() and recvmsg() ---------------------------------------------------------------- */

/* A struct msghdr in the kernel, with its pieces. */
struct message_call {
    struct msghdr header;
    struct io_piece few[NR_PIECES_ON_STACK], *pieces;
    struct socket_transfer transfer;
};

static void end_call(struct message_call *call)
{
    if (call->pieces != call->few)
        kfree(call->pieces);
}

/* Reads header and pieces. 0 or -errno; then nothing is held. */
static int begin_call(struct message_call *call, vaddr_t header_at, int flags)
{
    size_t nr_pieces, nr_bytes = 0;

    if (user_copy_from(&call->header, header_at, sizeof(call->header)) != 0)
        return -EFAULT;
    nr_pieces = call->header.msg_iovlen;
    if (nr_pieces > UIO_MAXIOV)
        return -EMSGSIZE;
    if (call->header.msg_namelen < 0)
        return -EINVAL;
    call->pieces = call->few;
    if (nr_pieces > NR_PIECES_ON_STACK)
        call->pieces = kmalloc_user(nr_pieces * sizeof(struct io_piece));
    if (call->pieces == NULL)
        return -ENOMEM;
    if (nr_pieces > 0 && user_copy_from(call->pieces, (vaddr_t)call->header.msg_iov,
                                        nr_pieces * sizeof(struct io_piece)) != 0) {
        end_call(call);
        return -EFAULT;
    }
    for (size_t i = 0; i < nr_pieces; i++) {
        if (call->pieces[i].nr_bytes > INT64_MAX) {
            end_call(call);
            return -EINVAL;
        }
        call->pieces[i].nr_bytes = MIN(call->pieces[i].nr_bytes, TRANSFER_BYTES_MAX - nr_bytes);
        nr_bytes += call->pieces[i].nr_bytes;
    }
    memset(&call->transfer, 0, sizeof(call->transfer));
    call->transfer.data = (struct user_pieces){.pieces = call->pieces, .nr_pieces = nr_pieces};
    call->transfer.nr_bytes = nr_bytes;
    call->transfer.flags = flags;
    return 0;
}

static void put_files(struct socket_transfer *transfer)
{
    for (unsigned i = 0; i < transfer->nr_files; i++)
        file_put(transfer->files[i]);
    kfree(transfer->files);
    transfer->files = NULL;
    transfer->nr_files = 0;
}

/* SCM_RIGHTS: the files of nr descriptors, added to those of earlier ones. 0 or -errno. */
static int add_files(struct socket_transfer *transfer, const int *fds, size_t nr)
{
    if (transfer->nr_files + nr > SCM_RIGHTS_MAX)
        return -EINVAL;
    if (transfer->files == NULL)
        transfer->files = kmalloc_user(SCM_RIGHTS_MAX * sizeof(struct file *));
    if (transfer->files == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < nr; i++) {
        struct file *file = fd_get_any(files(), fds[i]);

        if (file == NULL)
            return -EBADF;
        transfer->files[transfer->nr_files++] = file;
    }
    return 0;
}

/* SCM_CREDENTIALS: a process may say who it is, and root what it likes. 0, -EPERM, -ESRCH. */
static int set_credentials(struct socket_transfer *transfer, const struct ucred *said)
{
    struct credentials *own = credentials_current();
    bool is_uid = said->uid == atomic_load(&own->uid) || said->uid == atomic_load(&own->euid) ||
                  said->uid == atomic_load(&own->suid);
    bool is_gid = said->gid == atomic_load(&own->gid) || said->gid == atomic_load(&own->egid) ||
                  said->gid == atomic_load(&own->sgid);

    if (!credentials_are_root(own) && (said->pid != process_current()->pid || !is_uid || !is_gid))
        return -EPERM;
    if (said->pid <= 0 || process_get_group(said->pid) < 0)
        return -ESRCH;
    transfer->has_credentials = true;
    transfer->credentials = *said;
    return 0;
}

/* What a control buffer of nr_bytes says. 0 or -errno; the files are the transfer's. */
static int parse_control(struct socket_transfer *transfer, const char *control, size_t nr_bytes)
{
    size_t at = 0;
    int error = 0;

    while (error == 0 && nr_bytes - at >= sizeof(struct cmsghdr)) {
        const struct cmsghdr *header = (const struct cmsghdr *)(control + at);
        const void *data = header + 1;
        size_t data_bytes;

        if (header->cmsg_len < sizeof(*header) || header->cmsg_len > nr_bytes - at)
            return -EINVAL;
        data_bytes = header->cmsg_len - sizeof(*header);
        if (header->cmsg_level == SOL_SOCKET) {
            if (header->cmsg_type == SCM_RIGHTS)
                error = add_files(transfer, data, data_bytes / sizeof(int));
            else if (header->cmsg_type == SCM_CREDENTIALS && data_bytes == sizeof(struct ucred))
                error = set_credentials(transfer, data);
            else
                error = -EINVAL;
        }
        at = MIN(at + CMSG_ALIGN(header->cmsg_len), nr_bytes);
    }
    return error;
}

static int read_control(struct message_call *call)
{
    size_t nr_bytes = call->header.msg_controllen;
    char *control;
    int error = -EFAULT;

    if (nr_bytes == 0)
        return 0;
    if (nr_bytes > CONTROL_BYTES_MAX)
        return -ENOBUFS;
    control = kmalloc_user(nr_bytes);
    if (control == NULL)
        return -ENOMEM;
    if (user_copy_from(control, (vaddr_t)call->header.msg_control, nr_bytes) == 0)
        error = parse_control(&call->transfer, control, nr_bytes);
    kfree(control);
    return error;
}

static int64_t send_call(struct file *file, struct message_call *call)
{
    struct socket_transfer *transfer = &call->transfer;
    int64_t result = 0;

    if (call->header.msg_name != NULL && call->header.msg_namelen > 0)
        result = get_address((vaddr_t)call->header.msg_name, call->header.msg_namelen,
                             &transfer->address, &transfer->start);
    if (result == 0)
        result = read_control(call);
    if (result == 0)
        result = socket_send(file, transfer);
    put_files(transfer);
    inode_put(transfer->start);
    return result;
}

static int64_t send_message(struct file *file, vaddr_t header_at, int flags)
{
    struct message_call call;
    int64_t result = begin_call(&call, header_at, flags);

    if (result != 0)
        return result;
    result = send_call(file, &call);
    end_call(&call);
    return result;
}

/* A control buffer that is being written. */
struct control {
    vaddr_t at;
    size_t nr_done, nr_room;
};

/* Adds a part, or as much of its data as fits. 0 or -EFAULT. */
static int put_control(struct control *control, int type, const void *data, size_t nr_bytes,
                       int *got_flags)
{
    struct cmsghdr header = {.cmsg_level = SOL_SOCKET, .cmsg_type = type};
    size_t nr_room = control->nr_room - control->nr_done;
    vaddr_t at = control->at + control->nr_done;

    if (nr_room < CMSG_LEN(nr_bytes))
        *got_flags |= MSG_CTRUNC;
    if (nr_room < sizeof(header))
        return 0;
    nr_bytes = MIN(nr_bytes, nr_room - sizeof(header));
    header.cmsg_len = CMSG_LEN(nr_bytes);
    if (user_copy_to(at, &header, sizeof(header)) != 0 ||
        user_copy_to(at + sizeof(header), data, nr_bytes) != 0)
        return -EFAULT;
    control->nr_done += MIN(CMSG_SPACE(nr_bytes), nr_room);
    return 0;
}

/* Gives the files descriptors, as many as there is room for; they are installed if all went well.
 */
static int put_rights(struct control *control, struct socket_transfer *transfer)
{
    bool close_on_exec = transfer->flags & MSG_CMSG_CLOEXEC;
    size_t nr_room = control->nr_room - control->nr_done;
    unsigned nr = 0, nr_max = 0;
    int *fds = kmalloc_user(transfer->nr_files * sizeof(int));
    int error = 0;

    if (nr_room > sizeof(struct cmsghdr) && fds != NULL)
        nr_max = (unsigned)MIN((nr_room - sizeof(struct cmsghdr)) / sizeof(int),
                               (size_t)transfer->nr_files);
    for (; nr < nr_max; nr++) {
        fds[nr] = fd_reserve(files(), 0, close_on_exec);
        if (fds[nr] < 0)
            break;
    }
    if (nr < transfer->nr_files)
        transfer->got_flags |= MSG_CTRUNC;
    if (nr > 0)
        error = put_control(control, SCM_RIGHTS, fds, nr * sizeof(int), &transfer->got_flags);
    for (unsigned i = 0; i < nr; i++) {
        if (error == 0)
            fd_install(files(), fds[i], file_get(transfer->files[i]));
        else
            fd_cancel(files(), fds[i]);
    }
    kfree(fds);
    return error;
}

/* Tells the program what has come beside the bytes. */
static int write_results(struct message_call *call, vaddr_t header_at)
{
    struct socket_transfer *transfer = &call->transfer;
    struct msghdr *header = &call->header;
    struct control control = {.at = (vaddr_t)header->msg_control,
                              .nr_room = header->msg_control != NULL ? header->msg_controllen : 0};
    size_t name_bytes = MIN((size_t)header->msg_namelen, transfer->address.nr_bytes);
    int error = 0;

    if (header->msg_name != NULL) {
        if (user_copy_to((vaddr_t)header->msg_name, &transfer->address.un, name_bytes) != 0)
            return -EFAULT;
        header->msg_namelen = (int)transfer->address.nr_bytes;
    }
    if (transfer->has_credentials)
        error = put_control(&control, SCM_CREDENTIALS, &transfer->credentials,
                            sizeof(transfer->credentials), &transfer->got_flags);
    if (error == 0 && transfer->nr_files > 0)
        error = put_rights(&control, transfer);
    header->msg_controllen = control.nr_done;
    header->msg_flags = transfer->got_flags | (transfer->flags & MSG_CMSG_CLOEXEC);
    return error != 0 ? error : user_copy_to(header_at, header, sizeof(*header));
}

static int64_t receive_message(struct file *file, vaddr_t header_at, int flags)
{
    struct message_call call;
    int64_t result = begin_call(&call, header_at, flags);

    if (result != 0)
        return result;
    result = socket_receive(file, &call.transfer);
    if (result >= 0 && write_results(&call, header_at) != 0)
        result = -EFAULT;
    put_files(&call.transfer);
    end_call(&call);
    return result;
}

/* send_message() or receive_message() */
typedef int64_t message_fn(struct file *socket, vaddr_t header_at, int flags);

static int64_t with_socket(int fd, vaddr_t header_at, int flags, message_fn *fn)
{
    struct file *file;
    int64_t result = get_socket(fd, &file);

    if (result != 0)
        return result;
    result = fn(file, header_at, flags);
    file_put(file);
    return result;
}

int64_t sys_sendmsg(int fd, vaddr_t header_at, int flags)
{
    return with_socket(fd, header_at, flags, send_message);
}

int64_t sys_recvmsg(int fd, vaddr_t header_at, int flags)
{
    return with_socket(fd, header_at, flags, receive_message);
}

/* ---- Several messages ----------------------------------------------------------------------- */

/* One message of an array of struct mmsghdr, and its length. */
static int64_t do_one(struct file *file, vaddr_t message_at, int flags, message_fn *fn)
{
    int64_t result = fn(file, message_at + offsetof(struct mmsghdr, msg_hdr), flags);
    uint32_t nr_bytes = (uint32_t)result;

    if (result >= 0 && user_copy_to(message_at + offsetof(struct mmsghdr, msg_len), &nr_bytes,
                                    sizeof(nr_bytes)) != 0)
        return -EFAULT;
    return result;
}

int64_t sys_sendmmsg(int fd, vaddr_t messages_at, unsigned nr, int flags)
{
    struct file *file;
    int64_t result = get_socket(fd, &file);
    unsigned done = 0;

    if (result != 0)
        return result;
    for (nr = MIN(nr, (unsigned)UIO_MAXIOV); done < nr; done++) {
        result = do_one(file, messages_at + done * sizeof(struct mmsghdr), flags, send_message);
        if (result < 0)
            break;
    }
    file_put(file);
    return done > 0 || result >= 0 ? (int64_t)done : result;
}

/* The time-out is looked at between messages, as on Linux: a wait for one does not end by it. */
int64_t sys_recvmmsg(int fd, vaddr_t messages_at, unsigned nr, int flags, vaddr_t timeout_at)
{
    uint64_t deadline_ns;
    struct file *file;
    unsigned done = 0;
    int64_t result = syscall_read_timeout(timeout_at, &deadline_ns);

    if (result == 0)
        result = get_socket(fd, &file);
    if (result != 0)
        return result;
    for (nr = MIN(nr, (unsigned)UIO_MAXIOV); done < nr;) {
        result = do_one(file, messages_at + done * sizeof(struct mmsghdr), flags & ~MSG_WAITFORONE,
                        receive_message);
        if (result < 0)
            break;
        done++;
        if (flags & MSG_WAITFORONE)
            flags |= MSG_DONTWAIT;
        if (clock_now_ns() >= deadline_ns)
            break;
    }
    file_put(file);
    return done > 0 || result >= 0 ? (int64_t)done : result;
}
