// The floor: what the kernel alone costs when a command is put behind namespaces, mounts, Landlock and seccomp.
// Not a sandbox: nothing is parsed, decided, watched or reported, and the holes are not closed.
//
//   floor [--ro PATH | --rw PATH | --tmpfs PATH]... -- COMMAND...           once, as a program
//   floor --serve [...] -- COMMAND...     once for each byte on stdin, answering the nanoseconds, without its own start
//   floor --crowd COUNT DIRECTORY -- COMMAND...    run COMMAND where COUNT more file systems are mounted
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#else
#error "the floor knows x86-64 and aarch64"
#endif

// Numbers of the C library's <sys/mount.h>, which cannot be included beside <linux/mount.h>.
enum { DETACH = 2 };
int mount(const char *, const char *, const char *, unsigned long, const void *);
int umount2(const char *, int);

enum kind { READ_ONLY, WRITABLE, TMPFS };
struct place { enum kind kind; const char *path; int tree; int is_directory; };
static struct place places[12000];
static int place_count;
static char **command;
static int ruleset = -1;
static uid_t caller_uid;
static gid_t caller_gid;

// A step that fails ends the child: a floor that skipped a step would be too low.
#define STEP(call) do { if ((long)(call) < 0) { perror(#call); _exit(99); } } while (0)

static void write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  STEP(fd);
  STEP(write(fd, text, strlen(text)));
  close(fd);
}

static void map_ids(void) {
  char line[64];
  write_file("/proc/self/setgroups", "deny");
  snprintf(line, sizeof line, "1000 %u 1", caller_gid);
  write_file("/proc/self/gid_map", line);
  snprintf(line, sizeof line, "1000 %u 1", caller_uid);
  write_file("/proc/self/uid_map", line);
}

static void raise_loopback(void) {
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  STEP(fd);
  STEP(ioctl(fd, SIOCSIFFLAGS, &request));
  close(fd);
}

static int new_filesystem(const char *type, const char *key, const char *value, unsigned attributes) {
  int context = syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
  STEP(context);
  if (key) STEP(syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key, value, 0));
  STEP(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0));
  int fd = syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
  STEP(fd);
  close(context);
  return fd;
}

static void attach(int tree, int root, const char *at) {
  STEP(syscall(SYS_move_mount, tree, "", root, at, MOVE_MOUNT_F_EMPTY_PATH));
  close(tree);
}

// The directories above `path`, and `path` itself as what it has to be; present ones stay.
static void make_place(int root, const char *path, int directory) {
  char part[4096];
  snprintf(part, sizeof part, "%s", path);
  for (char *slash = strchr(part, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    mkdirat(root, part, 0755);
    *slash = '/';
  }
  if (directory) { mkdirat(root, part, 0755); return; }
  int fd = openat(root, part, O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd >= 0) close(fd);
}

static void open_sources(void) {
  for (int i = 0; i < place_count; i++) {
    struct place *place = &places[i];
    place->is_directory = 1;
    if (place->kind == TMPFS) { place->tree = new_filesystem("tmpfs", "mode", "1777", 6); continue; }
    place->tree = syscall(SYS_open_tree, AT_FDCWD, place->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    STEP(place->tree);
    struct stat about;
    STEP(fstat(place->tree, &about));
    place->is_directory = S_ISDIR(about.st_mode);
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                                (place->kind == READ_ONLY ? MOUNT_ATTR_RDONLY : 0)};
    STEP(syscall(SYS_mount_setattr, place->tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes));
  }
}

static void make_devices(int root) {
  static const char *const names[] = {"dev/null", "dev/zero", "dev/full", "dev/random", "dev/urandom", "dev/tty"};
  mkdirat(root, "dev", 0755);
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    char source[32];
    snprintf(source, sizeof source, "/%s", names[i]);
    int tree = syscall(SYS_open_tree, AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    STEP(tree);
    make_place(root, names[i], 0);
    attach(tree, root, names[i]);
  }
  mkdirat(root, "dev/pts", 0755);
  attach(new_filesystem("devpts", "ptmxmode", "0666", 2), root, "dev/pts");
}

static void change_root(void) {
  open_sources();
  int root = new_filesystem("tmpfs", "mode", "0755", 6);
  // Attached before it is filled: kernels before 6.15 mount nothing into a detached tree.
  STEP(syscall(SYS_move_mount, root, "", AT_FDCWD, "/tmp", MOVE_MOUNT_F_EMPTY_PATH));
  symlinkat("usr/bin", root, "bin");
  symlinkat("usr/sbin", root, "sbin");
  symlinkat("usr/lib", root, "lib");
  symlinkat("usr/lib64", root, "lib64");
  make_devices(root);
  mkdirat(root, "proc", 0555);
  attach(new_filesystem("proc", NULL, NULL, 14), root, "proc");
  mkdirat(root, "tmp", 01777);
  attach(new_filesystem("tmpfs", "mode", "1777", 6), root, "tmp");
  for (int i = 0; i < place_count; i++) {
    make_place(root, places[i].path + 1, places[i].is_directory);
    attach(places[i].tree, root, places[i].path + 1);
  }
  STEP(fchdir(root));
  STEP(syscall(SYS_pivot_root, ".", "."));
  STEP(umount2(".", DETACH));
  STEP(chdir("/"));
}

static void allow_beneath(int fd, const char *path, unsigned long long access) {
  struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = open(path, O_PATH | O_CLOEXEC)};
  STEP(rule.parent_fd);
  STEP(syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0));
  close(rule.parent_fd);
}

// Four rules, made once: a ruleset can be kept as a descriptor, so only its use is part of the floor.
static int make_ruleset(void) {
  const unsigned long long reads = 1 | 4 | 8, everything = 0x1fff;  // The rights of Landlock ABI 1.
  struct { unsigned long long files; } attributes = {everything};
  int fd = syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
  STEP(fd);
  allow_beneath(fd, "/usr", reads);
  allow_beneath(fd, "/etc", reads);
  allow_beneath(fd, "/dev", reads | 2);
  allow_beneath(fd, ".", everything);
  return fd;
}

// A balanced search over call numbers that do not exist, about 100 instructions: it refuses nothing.
static struct sock_filter program[160];
static int program_length;

static void emit(unsigned short code, unsigned char yes, unsigned char no, unsigned value) {
  program[program_length++] = (struct sock_filter){code, yes, no, value};
}

static void emit_search(unsigned first, unsigned count) {
  if (count == 1) {
    emit(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, first);
    emit(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM);
    emit(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
    return;
  }
  int branch = program_length;
  emit(BPF_JMP | BPF_JGE | BPF_K, 0, 0, first + count / 2);
  emit_search(first, count / 2);
  program[branch].jt = program_length - branch - 1;
  emit_search(first + count / 2, count - count / 2);
}

static void make_filter(void) {
  emit(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
  emit(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, THIS_ARCH);
  emit(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
  emit(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
  emit_search(900, 25);
}

static void give_up_privilege(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct none[2] = {{0}};
  STEP(syscall(SYS_capset, &header, none));
  STEP(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  STEP(syscall(SYS_landlock_restrict_self, ruleset, 0));
  STEP(syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC));
  struct sock_fprog filter = {program_length, program};
  STEP(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter));
}

static int enter(void *unused) {
  static char *environment[] = {"PATH=/usr/bin:/bin", "LANG=C", NULL};
  (void)unused;
  map_ids();
  raise_loopback();
  change_root();
  give_up_privilege();
  execve(command[0], command, environment);
  perror(command[0]);
  _exit(99);
}

static int run_once(void) {
  static char stack[262144] __attribute__((aligned(4096)));
  int flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  // Shares the memory until exec: copying page tables is not part of the floor.
  pid_t child = clone(enter, stack + sizeof stack, flags | CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
  int status;
  if (child < 0 || waitpid(child, &status, 0) < 0) { perror("clone"); return 98; }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 97;
}

static long long nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static int serve(void) {
  char byte;
  while (read(0, &byte, 1) == 1) {
    long long start = nanoseconds();
    int code = run_once();
    long long took = nanoseconds() - start;
    if (code) return code;
    printf("%lld\n", took);
    fflush(stdout);
  }
  return 0;
}

static int crowd(int count, const char *directory) {
  char path[4096];
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS)) { perror("unshare"); return 98; }
  snprintf(path, sizeof path, "%u %u 1", caller_gid, caller_gid);
  write_file("/proc/self/setgroups", "deny");
  write_file("/proc/self/gid_map", path);
  snprintf(path, sizeof path, "%u %u 1", caller_uid, caller_uid);
  write_file("/proc/self/uid_map", path);
  for (int i = 0; i < count; i++) {
    snprintf(path, sizeof path, "%s/m%d", directory, i);
    mkdir(path, 0755);
    STEP(mount("crowd", path, "tmpfs", 6, "size=4k"));
  }
  execvp(command[0], command);
  perror(command[0]);
  return 98;
}

int main(int argc, char **argv) {
  int serving = 0, crowd_count = -1;
  const char *crowd_directory = NULL;
  caller_uid = getuid();
  caller_gid = getgid();
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--")) { command = argv + i + 1; break; }
    if (!strcmp(argv[i], "--serve")) { serving = 1; continue; }
    if (!strcmp(argv[i], "--crowd") && i + 2 < argc) {
      crowd_count = atoi(argv[++i]);
      crowd_directory = argv[++i];
      continue;
    }
    enum kind kind = !strcmp(argv[i], "--ro") ? READ_ONLY : !strcmp(argv[i], "--rw") ? WRITABLE : TMPFS;
    if (i + 1 >= argc || place_count == sizeof places / sizeof *places) { fprintf(stderr, "floor: bad words\n"); return 2; }
    places[place_count++] = (struct place){.kind = kind, .path = argv[++i]};
  }
  if (!command || !*command) { fprintf(stderr, "floor: no command\n"); return 2; }
  if (crowd_count >= 0) return crowd(crowd_count, crowd_directory);
  ruleset = make_ruleset();
  make_filter();
  return serving ? serve() : run_once();
}
