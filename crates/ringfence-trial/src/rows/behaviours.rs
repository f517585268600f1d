//! What must go on working inside the fence, under the default policy.

use crate::row::Row;
use crate::work::Work;

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    shell().into_iter().chain(git()).chain(languages()).chain(system()).map(Work::row).collect()
}

fn shell() -> Vec<Work> {
    vec![
        Work::new("pipelines", "seq 1 1000 | grep 7 | sort -rn | head -3 | tr '\\n' ' '; cat <(echo a) <(echo b); echo \"${PIPESTATUS[@]}\""),
        Work::new("here documents and temporary files", "t=$(mktemp); cat > $t <<X\nhello\nX\ncat $t; rm $t"),
        Work::new("names of every kind", r#"
            for n in 'a b' $'new\nline' 'ünïcode-文件' '-dash' '*' "quo'te" $'\xff\xfe' ' '; do
                echo x > "./$n"; mv "./$n" "./$n.2"; cat "./$n.2"; ln "./$n.2" "./$n.3"; rm "./$n.2" "./$n.3"
            done; ls | wc -l"#),
        Work::new("long names and deep paths", r#"
            n=$(printf 'n%.0s' $(seq 1 255)); echo x > $n; cat $n; d=.; for i in $(seq 1 100); do d=$d/deeply_nested; done
            mkdir -p $d; echo y > $d/f; cat $d/f"#),
        Work::new("modes and the mask of creation", "umask 077; touch a; mkdir d; umask 002; touch b; mkdir -m 2711 e; stat -c '%n %a' a b d e; chmod 640 a; stat -c %a a"),
        Work::new("links, renames and special files", r#"
            echo x > a; ln a b; ln -s a c; mkfifo p; (echo y > p &) ; cat p; mv a d; test "$(stat -c %h d)" = 2
            mkdir e; mv d e/; mv -T e f; readlink c; rm -r f; ls"#),
        Work::new("times and attributes", "touch -d @1000 a; stat -c %Y a; truncate -s 1000 a; stat -c %s a; touch -h -d @5 a; stat -c %Y a"),
        Work::new("write-only, append and exclusive opening", r#"
            echo a > f; echo b >> f; cat f; set -C; (echo c > f) 2>/dev/null || echo kept; set +C; : > f; stat -c %s f"#),
        Work::new("errors are those of the system", r#"
            set +e; cat nowhere; mkdir a; mkdir a; rmdir nowhere; echo x > a; ln a b; mv nowhere b; rm a; touch a/b/c; mv a a/b; true"#),
        Work::new("two hundred processes at once", "for i in $(seq 1 200); do sleep 0.5 & done; wait; echo all"),
        Work::new("signals and traps", "trap 'echo got' USR1; kill -USR1 $$; (sleep 5 & p=$!; kill $p; wait $p; echo $?) || true"),
        Work::new("private temporary directory", "cd ${TMPDIR:-/tmp}; d=$(mktemp -d -p .); echo x > $d/x; cat $d/x; mkdir -p $d/d && mv $d/x $d/d/; ls $d/d; rm -r $d"),
        Work::new("devices", "echo x > /dev/null; head -c 8 /dev/zero | wc -c; head -c 8 /dev/urandom | wc -c; { (echo x > /dev/full) 2>&1 || true; } | grep -o 'No space'; echo e > /dev/stderr; echo o > /dev/stdout"),
        Work::new("home is there and writable", "cd; echo x > f; cat f; mkdir -p .config/x; rm -r f .config/x")
            .held_by("filesystem.read"),
        Work::new("a directory granted for writing", "echo x > $OUTSIDE/tree/granted && cat $OUTSIDE/tree/granted && rm $OUTSIDE/tree/granted && mkdir $OUTSIDE/tree/d && rmdir $OUTSIDE/tree/d && echo ok > file")
            .flags(&["--write", "$OUTSIDE/tree"]).that_changes_the_host(),
        Work::new("one file granted for reading", "cat $OUTSIDE/tree/file").flags(&["--read", "$OUTSIDE/tree/file"]),
        Work::new("the whole machine granted for reading", "ls -d /etc/group; echo x > file; cat file; t=$(mktemp); echo t > $t; cat $t; rm $t; echo x > /dev/null")
            .flags(&["--read", "/"]),
        Work::new("a subdirectory as working directory", "echo ${PWD##*/}; echo x > y; ls ..; ls $WORK").after("mkdir sub && git init -q .").started_in("sub"),
    ]
}

fn git() -> Vec<Work> {
    const START: &str = "git init -q -b main . && echo a > a && git add a && git commit -qm one";
    let work = |name, script| Work::new(name, script).with(&["git", "bash"]).after(START);
    vec![
        work("git add, commit, branch, merge", r#"
            echo b > b; git add b; git commit -qm two; git checkout -q -b side; echo c > c; git add c; git commit -qm three
            git checkout -q main; echo d > d; git add d; git commit -qm four; git merge -q --no-edit side; git branch -q -d side
            git log --format=%s; git status --short; git tag v1; git diff HEAD~1 --stat | tail -1; git gc -q; git fsck 2>&1 | tail -1"#),
        work("git rebase and stash", r#"
            git checkout -q -b side; echo s > s; git add s; git commit -qm side; git checkout -q main; echo m > m; git add m
            git commit -qm main2; git checkout -q side; git rebase -q main; git log --format=%s; echo dirty >> a; git stash -q
            cat a; git stash pop -q; cat a; git checkout -q -- a; git reset -q --hard HEAD~1; git log --format=%s"#),
        work("git branches called like protected names", r#"
            git branch config; git branch hooks; git checkout -q -b feature/hooks; git checkout -q -b x/config; git branch; git tag hooks
            git reflog | wc -l"#),
        work("git branch renamed", "git checkout -q -b old; git branch -m old new; git branch"),
        work("git worktree add", "git worktree add -q ../project/w -b w; cd w; echo x > x; git add x; git commit -qm inside; git log --format=%s; git status --short"),
        Work::new("git submodule update", "git -c protocol.file.allow=always submodule --quiet update --init; ls lib; git submodule status | cut -c1; cd lib; git log --format=%s")
            .with(&["git", "bash"])
            .after("git init -q ../lib && git -C ../lib commit -q --allow-empty -m lib && git init -q -b main . && \
                git -c protocol.file.allow=always submodule --quiet add ../lib lib && git commit -qm one && \
                git submodule --quiet update --init"),
        Work::new("git in a linked worktree", "echo x > x; git add x; git commit -qm inside; git log --format=%s; git status --short; git branch | wc -l")
            .with(&["git", "bash"])
            .after("git init -q -b main $OUTSIDE/main && git -C $OUTSIDE/main commit -q --allow-empty -m one && \
                git -C $OUTSIDE/main worktree add -q $WORK/w")
            .started_in("w")
            .that_changes_the_host(),
    ]
}

fn languages() -> Vec<Work> {
    vec![
        Work::new("python3, venv and pip", r#"
            python3 -c 'import ssl, sqlite3, json, asyncio, multiprocessing; print("imports")'
            python3 -m venv v; v/bin/pip install -q --no-index --disable-pip-version-check ./rftrial_demo-1.0-py3-none-any.whl
            v/bin/python -c 'import rftrial_demo; print(rftrial_demo.value)'"#)
            .with(&["python3", "bash"])
            .after(WHEEL),
        Work::new("python3 multiprocessing and threads", r#"
            cat > m.py <<X
import multiprocessing, threading, asyncio, subprocess
def f(x): return x * x
if __name__ == "__main__":
    with multiprocessing.Pool(4) as p: print(sum(p.map(f, range(100))))
    ts = [threading.Thread(target=f, args=(i,)) for i in range(50)]; [t.start() for t in ts]; [t.join() for t in ts]
    print(asyncio.run(asyncio.sleep(0.01, "slept")))
    print(subprocess.run(["echo", "sub"], capture_output=True, text=True).stdout)
X
            python3 m.py"#).with(&["python3", "bash"])
        // Semaphores live in /dev/shm.
        .held_by("limits.tmp"),
        Work::new("node, worker threads and JIT", r#"
            cat > w.js <<X
const { Worker, isMainThread, parentPort } = require("worker_threads");
function hot(n) { let s = 0; for (let i = 0; i < n; i++) s += i % 7; return s }
if (isMainThread) { let n = 4, t = 0; for (let i = 0; i < n; i++) new Worker(__filename).on("message", m => { t += m; if (!--n) console.log("sum", t) }) }
else parentPort.postMessage(hot(3e6));
X
            node w.js; node -e 'console.log(require("child_process").execSync("echo child").toString().trim())'
            node -e 'require("fs").promises.readdir(".").then(l => console.log(l.join()))'"#)
            .with(&["node", "bash"]),
        Work::new("gcc and make", r#"
            printf '#include <stdio.h>\n#include <pthread.h>\nvoid *t(void *a) { return a; }\nint main(void) { pthread_t p; pthread_create(&p, 0, t, 0); pthread_join(p, 0); puts("compiled"); }\n' > m.c
            printf 'all: m\n\t./m\nm: m.c\n\t$(CC) -O1 -pthread -o $@ $<\n' > Makefile; make -s -j4; ls"#)
            .with(&["gcc", "make", "bash"]),
        Work::new("cargo build and test, offline", r#"
            export PATH=$RFTRIAL_RUST/bin:$PATH CARGO_HOME=$PWD/.cargo-home CARGO_NET_OFFLINE=true
            cargo init -q --lib --vcs none --name demo .; cargo build -q; cargo test -q 2>&1 | grep -o '1 passed'"#)
            .with(&["gcc", "bash"])
            .with_rust(),
        Work::new("perl", "perl -e 'use POSIX; use File::Temp; my $t = File::Temp->new; print \"perl \", POSIX::floor(2.5), \"\\n\"'").with(&["perl", "bash"]),
    ]
}

/// A wheel is a zip with metadata: made here, since the trial fetches nothing.
const WHEEL: &str = r#"python3 - <<X
import zipfile
z = zipfile.ZipFile("rftrial_demo-1.0-py3-none-any.whl", "w")
z.writestr("rftrial_demo.py", "value = 42\n")
d = "rftrial_demo-1.0.dist-info/"
z.writestr(d + "METADATA", "Metadata-Version: 2.1\nName: rftrial-demo\nVersion: 1.0\n")
z.writestr(d + "WHEEL", "Wheel-Version: 1.0\nGenerator: trial\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
z.writestr(d + "RECORD", "rftrial_demo.py,,\n" + d + "METADATA,,\n" + d + "WHEEL,,\n" + d + "RECORD,,\n")
z.close()
X"#;

fn system() -> Vec<Work> {
    vec![
        Work::new("sqlite with locks", r#"
            sqlite3 t.db 'pragma journal_mode=wal; create table t(x); insert into t values(1);'
            for i in 1 2 3 4 5 6; do sqlite3 -cmd '.timeout 20000' t.db "begin immediate; insert into t values($i); commit;" & done; wait
            sqlite3 t.db 'select count(*) from t'; sqlite3 ${TMPDIR:-/tmp}/u$$.db 'create table u(x); insert into u values(5); select x from u'"#)
            .with(&["sqlite3", "bash"]),
        Work::new("flock", "exec 9> l; flock 9; (flock -n 9 && echo shared); (exec 8> l; flock -n 8 || echo held)").with(&["flock", "bash"]),
        Work::new("inotify", r#"python3 - <<X
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init1(0); assert fd >= 0
assert libc.inotify_add_watch(fd, b".", 0x100) >= 0
open("seen", "w").close()
print(b"seen" in os.read(fd, 4096))
X"#).with(&["python3", "bash"]),
        Work::new("unix socket in the workspace", r#"python3 - <<X
import socket, threading
s = socket.socket(socket.AF_UNIX); s.bind("sock"); s.listen()
def serve():
    c, _ = s.accept(); c.sendall(c.recv(10).upper()); c.close()
t = threading.Thread(target=serve); t.start()
c = socket.socket(socket.AF_UNIX); c.connect("sock"); c.sendall(b"hello"); print(c.recv(10)); t.join()
X"#).with(&["python3", "bash"]).held_by("network.mode"),
        Work::new("loopback between two processes", r#"python3 - <<X
import socket, os
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); port = s.getsockname()[1]
if os.fork() == 0:
    c = socket.create_connection(("127.0.0.1", port)); c.sendall(b"over loopback"); os._exit(0)
c, _ = s.accept(); print(c.recv(100))
u = socket.socket(socket.AF_INET6); u.bind(("::1", 0)); print("ipv6")
X"#).with(&["python3", "bash"]).held_by("network.mode"),
        Work::new("names of this host", "getent hosts localhost | head -1 | tr -s ' ' | cut -d' ' -f2; id -un >/dev/null; test -n \"$(hostname)\"")
            .with(&["getent", "hostname", "bash"])
        // Of files made for the fence, which only a root of its own can show.
        .held_by("filesystem.read"),
        Work::new("memory maps and big files", "python3 -c 'import mmap; f = open(\"m\", \"wb+\"); f.truncate(1 << 22); m = mmap.mmap(f.fileno(), 0); m[5] = 65; m.flush(); print(m[5], len(m))'")
            .with(&["python3", "bash"]),
        Work::new("tar, find, xargs and sed", "mkdir -p a/b; for i in $(seq 1 50); do echo $i > a/b/$i; done; tar cf t.tar a; rm -r a; tar xf t.tar; find a -type f -print0 | xargs -0 -n 5 cat | sort -n | tail -1; sed -i s/1/x/ a/b/1; cat a/b/1"),
    ]
}
