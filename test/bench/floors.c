/*
 * Floors: the system calls that an act of the spool cannot do without, in a bare loop. Each prints the
 * seconds that its loop took. And `rss`, which runs a command and writes down the most memory that it had.
 *
 *   floors put DIR COUNT BYTES           open write fsync rename fsync(dir), COUNT times
 *   floors putonce DIR COUNT BYTES       open write rename fsync, COUNT times: enough on ext4, XFS and btrfs
 *   floors files DIR COUNT BYTES         makes COUNT files, for the next one
 *   floors claim DIR COUNT BYTES         rename, open read close, unlink, of these
 *   floors rename DIR COUNT              rename of one file, COUNT times
 *   floors fanout DIR COUNT SUBS BYTES   write, link into SUBS directories, fsync, rename in each
 *   floors rss FILE CMD...               KiB to FILE; exits as CMD does
 *
 * DIR is there, and empty but for `claim`.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char data[1 << 20];

static void must(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec + at.tv_nsec / 1e9;
}

static void make(const char *path, size_t bytes, int sync) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
  must(fd >= 0, path);
  must(write(fd, data, bytes) == (ssize_t)bytes, path);
  if (sync) must(fsync(fd) == 0, path);
  close(fd);
}

static void directories(void) {
  must(mkdir("from", 0777) == 0, "from");
  must(mkdir("to", 0777) == 0, "to");
}

static void put(int count, size_t bytes) {
  char from[64], to[64];
  int dir = open("to", O_RDONLY | O_DIRECTORY);
  must(dir >= 0, "to");
  for (int at = 0; at < count; at++) {
    snprintf(from, sizeof from, "from/%08d", at);
    snprintf(to, sizeof to, "to/%08d", at);
    make(from, bytes, 1);
    must(rename(from, to) == 0, to);
    must(fsync(dir) == 0, "to");
  }
}

static void put_once(int count, size_t bytes) {
  char from[64], to[64];
  for (int at = 0; at < count; at++) {
    snprintf(from, sizeof from, "from/%08d", at);
    snprintf(to, sizeof to, "to/%08d", at);
    int fd = open(from, O_WRONLY | O_CREAT | O_EXCL, 0666);
    must(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes, from);
    must(rename(from, to) == 0, to);
    must(fsync(fd) == 0, to);
    close(fd);
  }
}

static void claim(int count, size_t bytes) {
  char from[64], to[64];
  for (int at = 0; at < count; at++) {
    snprintf(from, sizeof from, "from/%08d", at);
    snprintf(to, sizeof to, "to/%08d", at);
    must(rename(from, to) == 0, to);
    int fd = open(to, O_RDONLY);
    must(fd >= 0 && read(fd, data, sizeof data) == (ssize_t)bytes, to);
    close(fd);
    must(unlink(to) == 0, to);
  }
}

static void renames(int count) {
  char names[2][64] = {"to/0000000000000", "to/0000000000001"};
  make(names[0], 100, 0);
  for (int at = 0; at < count; at++) must(rename(names[at & 1], names[~at & 1]) == 0, names[0]);
}

static void fanout(int count, int subs, size_t bytes) {
  char from[64], link_[64], to[64];
  for (int at = 0; at < count; at++) {
    snprintf(from, sizeof from, "from/%08d", at);
    int fd = open(from, O_WRONLY | O_CREAT | O_EXCL, 0666);
    must(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes, from);
    for (int sub = 0; sub < subs; sub++) {
      snprintf(link_, sizeof link_, "to/%d/incoming/%08d", sub, at);
      must(link(from, link_) == 0, link_);
    }
    for (int sub = 0; sub < subs; sub++) {
      snprintf(link_, sizeof link_, "to/%d/incoming/%08d", sub, at);
      snprintf(to, sizeof to, "to/%d/ready/%08d", sub, at);
      must(rename(link_, to) == 0, to);
    }
    must(fsync(fd) == 0, from);
    close(fd);
    must(unlink(from) == 0, from);
  }
}

static int rss(const char *file, char **argv) {
  int status;
  struct rusage usage;
  pid_t pid = fork();
  must(pid >= 0, "fork");
  if (pid == 0) {
    execvp(argv[0], argv);
    perror(argv[0]);
    _exit(127);
  }
  must(wait4(pid, &status, 0, &usage) == pid, "wait4");
  FILE *out = fopen(file, "w");
  must(out != NULL, file);
  fprintf(out, "%ld\n", usage.ru_maxrss);
  fclose(out);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  const char *what = argv[1];
  if (strcmp(what, "rss") == 0) return rss(argv[2], argv + 3);
  int count = atoi(argv[3]);
  size_t bytes = argc > 4 ? (size_t)atol(argv[argc - 1]) : 0;
  must(bytes <= sizeof data && chdir(argv[2]) == 0, argv[2]);
  memset(data, 'x', sizeof data);
  char path[64];
  if (strcmp(what, "claim") != 0) directories();
  if (strcmp(what, "files") == 0) {
    for (int at = 0; at < count; at++) {
      snprintf(path, sizeof path, "from/%08d", at);
      make(path, bytes, 0);
    }
  }
  if (strcmp(what, "fanout") == 0) {
    for (int sub = 0; sub < atoi(argv[4]); sub++) {
      const char *parts[] = {"", "/incoming", "/ready"};
      for (int at = 0; at < 3; at++) {
        snprintf(path, sizeof path, "to/%d%s", sub, parts[at]);
        must(mkdir(path, 0777) == 0, path);
      }
    }
  }
  double start = now();
  if (strcmp(what, "put") == 0) put(count, bytes);
  else if (strcmp(what, "putonce") == 0) put_once(count, bytes);
  else if (strcmp(what, "files") == 0) return 0;
  else if (strcmp(what, "claim") == 0) claim(count, bytes);
  else if (strcmp(what, "rename") == 0) renames(count);
  else if (strcmp(what, "fanout") == 0) fanout(count, atoi(argv[4]), bytes);
  else return 2;
  printf("%.9f\n", now() - start);
  return 0;
}
