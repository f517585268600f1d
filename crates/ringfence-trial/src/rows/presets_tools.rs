//! The presets of tool-chains: each tool does its work under its own preset and nothing else, without a network, out of
//! a cache that was filled before. Where the grants matter, the base alone must not be enough.
//!
//! Not the package managers of JavaScript: those are in `presets_node`.

use crate::row::Row;
use crate::work::Work;

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let all = [git(), rust(), c(), python(), go(), ruby(), php(), terraform(), java(), browser()];
    all.into_iter().flatten().map(Work::row).collect()
}

/// Work with a cache in HOME, which `process` cannot give a private layer.
pub(super) fn work(name: &'static str, presets: &'static [&'static str], script: &'static str) -> Work {
    Work::new(name, script).under(presets).held_by("filesystem.read")
}

fn git() -> Vec<Work> {
    let script = r#"
        unset GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL
        touch a.ignored b; git add .; git commit -qm one; git log --format='%an %ae'; git ls-files; git st"#;
    let prepare = r#"
        git init -q -b main .; echo '*.ignored' > ~/.gitignore_global
        git config --global user.name someone; git config --global user.email someone@example.com
        git config --global alias.st 'status --short'; git config --global core.excludesFile ~/.gitignore_global"#;
    vec![
        work("preset git: name, address and ignored files of the user", &["git"], script)
            .with(&["git", "bash"])
            .after(prepare)
            .not_under_the_base(),
    ]
}

fn rust() -> Vec<Work> {
    let script = r#"
        export PATH=$RFTRIAL_RUST/bin:$PATH
        cargo build -q --offline; cargo run -q --offline
        cargo test -q --offline 2>&1 | grep -o 'test result: ok' | head -1
        if [ "${RINGFENCE:-}" = 1 ] && cat ~/.cargo/credentials.toml 2>&1 | grep canary; then exit 9; fi"#;
    let prepare = r#"
        export PATH=$RFTRIAL_RUST/bin:$PATH
        cargo init -q --lib --vcs git --name rfdep $OUTSIDE/rfdep
        cd $OUTSIDE/rfdep; git add .; git commit -qm one; cd $WORK
        cargo init -q --vcs none --name demo .; echo "rfdep = { git = 'file://$OUTSIDE/rfdep' }" >> Cargo.toml
        echo 'fn main() { println!("{}", rfdep::add(40, 2)); }' > src/main.rs; cargo fetch -q"#;
    vec![
        work("preset rust: cargo builds and tests with a dependency out of its cache", &["rust"], script)
            .with(&["gcc", "git", "bash"])
            .with_rust()
            .after(prepare)
            .not_under_the_base(),
    ]
}

fn c() -> Vec<Work> {
    let ccache = r#"
        gcc --version | head -1; ccache --zero-stats >/dev/null; ccache gcc -c m.c -o m.o
        ccache --show-stats | grep -oE 'Misses: +[0-9]+' | head -1 | tr -s ' '; gcc m.o -o m; ./m"#;
    let cmake = r#"
        printf '#include <stdio.h>\nint main(void) { puts("built"); }\n' > m.c
        printf 'cmake_minimum_required(VERSION 3.13)\nproject(d C)\nadd_executable(d m.c)\nenable_testing()\n' > CMakeLists.txt
        echo 'add_test(NAME t COMMAND d)' >> CMakeLists.txt
        cmake -S . -B b >/dev/null; cmake --build b >/dev/null; b/d; (cd b && ctest) | grep -o '100% tests passed'"#;
    let meson = r#"
        printf '#include <stdio.h>\nint main(void) { puts("built"); }\n' > m.c
        printf "project('d', 'c')\ntest('t', executable('d', 'm.c'))\n" > meson.build
        meson setup b >/dev/null; meson test -C b | grep -o '^Ok: *1'; b/d"#;
    let prepare = r#"
        printf '#include <stdio.h>\nint main(void) { puts("linked"); }\n' > m.c; ccache gcc -c m.c -o m.o; rm m.o"#;
    vec![
        work("preset c: an object out of ccache", &["c"], ccache)
            .with(&["ccache", "gcc", "bash"])
            .after(prepare)
            // Without the cache it compiles all the same; only the count of misses is another, and that is compared.
            .prints_otherwise_under_the_base(),
        work("preset c: cmake and ctest", &["c"], cmake).with(&["cmake", "gcc", "make", "bash"]),
        work("preset c: meson and ninja", &["c"], meson).with(&["meson", "ninja", "gcc", "bash"]),
    ]
}

fn python() -> Vec<Work> {
    let user = r#"
        /usr/bin/python3 -c 'import rfdep; print(rfdep.value)'
        /usr/bin/python3 -m venv --without-pip --system-site-packages v; v/bin/python -c 'import rfdep; print(rfdep.value)'"#;
    let prepare = r#"
        d=$(/usr/bin/python3 -m site --user-site) || true; mkdir -p $d; echo 'value = 42' > $d/rfdep.py"#;
    let uv = r#"
        uv sync -q --offline --frozen
        uv run -q --offline --frozen python -c 'import rfdep; print(rfdep.value)'"#;
    vec![
        work("preset python: a package of the user, and an environment", &["python"], user)
            .with(&["python3", "bash"])
            .after(prepare)
            .not_under_the_base(),
        work("preset python: uv syncs and runs out of its cache", &["python"], uv)
            .with(&["uv", "python3", "bash"])
            .after(UV)
            .not_under_the_base(),
    ]
}

/// A package index of one wheel, on a loopback port for as long as uv fills its cache.
const UV: &str = r#"
mkdir -p $OUTSIDE/simple/rfdep; cd $OUTSIDE/simple/rfdep
/usr/bin/python3 - <<X
import zipfile
z = zipfile.ZipFile("rfdep-1.0-py3-none-any.whl", "w")
z.writestr("rfdep.py", "value = 42\n")
d = "rfdep-1.0.dist-info/"
z.writestr(d + "METADATA", "Metadata-Version: 2.1\nName: rfdep\nVersion: 1.0\n")
z.writestr(d + "WHEEL", "Wheel-Version: 1.0\nGenerator: trial\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
z.writestr(d + "RECORD", "rfdep.py,,\n" + d + "METADATA,,\n" + d + "WHEEL,,\n" + d + "RECORD,,\n")
z.close()
X
/usr/bin/python3 -u -m http.server --bind 127.0.0.1 --directory $OUTSIDE 0 > $OUTSIDE/port 2>/dev/null & server=$!
trap "kill $server" EXIT; until grep -q port $OUTSIDE/port; do sleep 0.05; done
port=$(grep -o 'port [0-9]*' $OUTSIDE/port | cut -d' ' -f2); cd $WORK
cat > pyproject.toml <<X
[project]
name = "demo"
version = "1.0"
requires-python = ">=3"
dependencies = ["rfdep"]
[[tool.uv.index]]
url = "http://127.0.0.1:$port/simple"
default = true
X
uv sync -q --python /usr/bin/python3; rm -r .venv"#;

fn go() -> Vec<Work> {
    let script = "export GOPROXY=off; go build -o demo .; ./demo; go vet .; go test . | cut -f1";
    // The modules stay writable, or the place could not be removed.
    let prepare = r#"
P=$OUTSIDE/proxy/example.com/rfdep/@v; mkdir -p $P; echo v1.0.0 > $P/list
echo '{"Version":"v1.0.0"}' > $P/v1.0.0.info; echo 'module example.com/rfdep' > $P/v1.0.0.mod
/usr/bin/python3 - $P/v1.0.0.zip <<X
import sys, zipfile
z = zipfile.ZipFile(sys.argv[1], "w"); d = "example.com/rfdep@v1.0.0/"
z.writestr(d + "go.mod", "module example.com/rfdep\n")
z.writestr(d + "d.go", "package rfdep\nfunc Value() int { return 42 }\n"); z.close()
X
printf 'module example.com/demo\nrequire example.com/rfdep v1.0.0\n' > go.mod
printf 'package main\nimport ("fmt"; "example.com/rfdep")\nfunc main() { fmt.Println(rfdep.Value()) }\n' > main.go
printf 'package main\nimport "testing"\nfunc TestX(t *testing.T) {}\n' > main_test.go
GOPROXY=file://$OUTSIDE/proxy GONOSUMDB='*' GOFLAGS='-mod=mod -modcacherw' go mod tidy 2>/dev/null"#;
    vec![
        work("preset go: builds, vets and tests with a module out of the cache", &["go"], script)
            .with(&["go", "python3", "bash"])
            .after(prepare)
            .not_under_the_base(),
    ]
}

fn ruby() -> Vec<Work> {
    let script = r#"
        bundle install --quiet --local; bundle exec ruby -e 'require "rfdep"; puts Rfdep::VALUE'"#;
    let prepare = r#"
        mkdir -p $OUTSIDE/gem/lib; cd $OUTSIDE/gem; echo 'module Rfdep; VALUE = 42; end' > lib/rfdep.rb
        echo 'Gem::Specification.new { |s| s.name = "rfdep"; s.version = "1.0"; s.summary = "x"' > rfdep.gemspec
        echo 's.authors = ["x"]; s.files = ["lib/rfdep.rb"] }' >> rfdep.gemspec
        gem build -q rfdep.gemspec; gem install -q --no-document --user-install --local rfdep-1.0.gem; cd $WORK
        printf 'source "https://gems.example.com"\ngem "rfdep"\n' > Gemfile"#;
    vec![
        work("preset ruby: a gem of the user, with bundler", &["ruby"], script)
            .with(&["ruby", "bundle", "gem", "bash"])
            .after(prepare)
            .not_under_the_base(),
    ]
}

fn php() -> Vec<Work> {
    let extensions =
        "php -r 'echo json_encode(extension_loaded(\"tokenizer\")), ctype_alpha(\"a\"), PHP_EOL;'";
    let composer = r#"
        composer install --no-interaction --quiet
        php -r 'require "vendor/autoload.php"; echo rfdep(), PHP_EOL;'"#;
    let prepare = r#"
        mkdir dep; echo '<?php function rfdep() { return 42; }' > dep/f.php
        echo '{"name":"x/rfdep","version":"1.0","autoload":{"files":["f.php"]}}' > dep/composer.json
        echo '{"repositories":[{"type":"path","url":"./dep"},{"packagist":false}],' > composer.json
        echo '"require":{"x/rfdep":"1.0"}}' >> composer.json
        composer update --no-interaction --quiet; rm -r vendor"#;
    vec![
        work("preset php: extensions", &["php"], extensions).with(&["php", "bash"]).not_under_the_base(),
        work("preset php: composer installs a package", &["php"], composer)
            .with(&["php", "composer", "bash"])
            .after(prepare)
            .not_under_the_base(),
    ]
}

fn terraform() -> Vec<Work> {
    let script = r#"
        terraform init -no-color -input=false | grep -o 'Installed example.com/x/y'; rm y.tf
        terraform apply -no-color -input=false -auto-approve >/dev/null; terraform output -raw o
        if [ "${RINGFENCE:-}" = 1 ] && cat ~/.terraform.d/credentials.tfrc.json 2>&1 | grep canary; then exit 9; fi"#;
    let prepare = r#"
        architecture=$(uname -m | sed s/x86_64/amd64/\;s/aarch64/arm64/)
        d=~/.terraform.d/plugins/example.com/x/y/1.0.0/linux_$architecture; mkdir -p $d
        echo x > $d/terraform-provider-y_v1.0.0; chmod +x $d/terraform-provider-y_v1.0.0
        echo canary > ~/.terraform.d/credentials.tfrc.json
        printf 'terraform {\n  required_providers {\n    y = { source = "example.com/x/y" }\n  }\n}\n' > y.tf
        printf 'resource "terraform_data" "x" {\n  input = "v"\n}\n' > main.tf
        printf 'output "o" {\n  value = terraform_data.x.output\n}\n' >> main.tf"#;
    vec![
        work("preset terraform: init and apply with a provider that was put there", &["terraform"], script)
            .with(&["terraform", "bash"])
            .after(prepare)
            .not_under_the_base(),
    ]
}

/// One class as an artefact of the user's local repository, and a program that needs it.
const ARTEFACT: &str = r#"
    mkdir -p $OUTSIDE/j; cd $OUTSIDE/j
    echo 'public class Rfdep { public static int V = 42; }' > Rfdep.java; javac Rfdep.java
    d=~/.m2/repository/x/rfdep/1.0; mkdir -p $d; jar cf $d/rfdep-1.0.jar Rfdep.class
    echo '<project><modelVersion>4.0.0</modelVersion><groupId>x</groupId>' > $d/rfdep-1.0.pom
    echo '<artifactId>rfdep</artifactId><version>1.0</version></project>' >> $d/rfdep-1.0.pom
    cd $WORK; mkdir -p src/main/java
    echo 'public class M { public static void main(String[] a) { System.out.println(Rfdep.V); } }' > src/main/java/M.java"#;

fn java() -> Vec<Work> {
    let javac = r#"
        r=~/.m2/repository/x/rfdep/1.0/rfdep-1.0.jar
        mkdir o; javac -cp $r -d o src/main/java/M.java; jar cf m.jar -C o .; java -cp m.jar:$r M"#;
    let gradle = r#"
        echo 'apply plugin: "java"; repositories { mavenLocal() }; dependencies { compile "x:rfdep:1.0" }' > build.gradle
        echo 'rootProject.name = "demo"' > settings.gradle; gradle -g ~/.gradle -Dmaven.repo.local=$HOME/.m2/repository --offline --no-daemon -q jar >&2
        java -cp build/libs/demo.jar:$HOME/.m2/repository/x/rfdep/1.0/rfdep-1.0.jar M"#;
    let maven = r#"
        echo '<project><modelVersion>4.0.0</modelVersion><groupId>y</groupId><artifactId>p</artifactId>' > pom.xml
        echo '<version>1.0</version><packaging>pom</packaging></project>' >> pom.xml
        mvn -o -q -B -Dmaven.repo.local=$HOME/.m2/repository validate; echo valid"#;
    vec![
        work("preset java: an artefact of the local repository", &["java"], javac)
            .with(&["javac", "jar", "bash"])
            .after(ARTEFACT)
            .not_under_the_base(),
        work("preset java: gradle builds with an artefact of the local repository", &["java"], gradle)
            .with(&["gradle", "javac", "jar", "bash"])
            .after(ARTEFACT)
            .not_under_the_base(),
        work("preset java: maven reads a project", &["java"], maven).with(&["mvn", "bash"]),
    ]
}

fn browser() -> Vec<Work> {
    let script = r#"
        echo '<h1 id=a>before</h1><script>document.getElementById("a").textContent = 6 * 7</script>' > index.html
        /usr/bin/python3 -u -m http.server --bind 127.0.0.1 0 > port 2>/dev/null & trap "kill $!" EXIT
        until grep -q port port; do sleep 0.05; done; port=$(grep -o 'port [0-9]*' port | cut -d' ' -f2)
        browse() {
            timeout 60 chromium --headless --no-sandbox --disable-gpu --user-data-dir=$(mktemp -d) \
                "$@" http://127.0.0.1:$port/ 2>/dev/null
        }
        browse --dump-dom | grep -o '<h1 id="a">42</h1>'; browse --screenshot=shot.png; head -c 4 shot.png | tail -c 3"#;
    vec![
        work(
            "preset browser-testing: a page of the sandbox's loopback in Chromium",
            &["browser-testing"],
            script,
        )
        .with(&["chromium", "python3", "bash"])
        .not_under_the_base(),
    ]
}
