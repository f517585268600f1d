//! Real clients of registries, databases and SSH through the gateway, with no proxy variable: what each gets is what it
//! gets without a fence, and nothing of it comes through where no rule names the server.

use std::fs;
use std::process::Command;

use super::gateway::{UNSET, flags};
use crate::internet;
use crate::internet::line::allowing;
use crate::row::{Outcome, Row};
use crate::session::Session;

/// A client and what it does.
struct Client {
    name: &'static str,
    /// The program that must be there; `rust` for a tool-chain.
    tool: &'static str,
    line: &'static str,
    /// The beginning of a line in the servers' log, which its request makes.
    asks: &'static str,
}

const CLIENTS: &[Client] = &[
    Client {
        name: "cargo",
        tool: "rust",
        line: "export PATH=$RUST/bin:$PATH CARGO_HOME=$PWD/ch; mkdir -p ch src; touch src/lib.rs\n\
               printf '[source.crates-io]\\nreplace-with=\"t\"\\n[source.t]\\nregistry=\"sparse+http://good.example:3000/cargo/\"\\n' > ch/config.toml\n\
               printf '[package]\\nname=\"x\"\\nversion=\"0.1.0\"\\nedition=\"2021\"\\n[dependencies]\\ndemo=\"1\"\\n' > Cargo.toml\n\
               cargo fetch -q; cat ch/registry/src/*/demo-1.0.0/src/lib.rs",
        asks: "registry /cargo/dl/demo/1.0.0",
    },
    Client {
        name: "npm",
        tool: "npm",
        line: "npm install --silent --fetch-retries 0 --no-audit --no-fund --cache ./c --registry http://good.example:3000/npm/ demo >/dev/null; node -p 'require(\"demo\")'",
        asks: "registry /npm/demo/-/demo-1.0.0.tgz",
    },
    Client {
        name: "pip",
        tool: "python3",
        line: "python3 $(ls -d /usr/share/python-wheels/pip-*.whl $(dirname $(python3 -c 'import ensurepip; print(ensurepip.__file__)'))/_bundled/pip-*.whl 2>/dev/null | head -1)/pip -q --disable-pip-version-check --no-cache-dir --retries 0 --timeout 5 install \
               --index-url http://good.example:3000/pip/ --trusted-host good.example --target t demo; PYTHONPATH=t python3 -c 'import demo; print(demo.answer)'",
        asks: "registry /pip/demo-1.0.0-py3-none-any.whl",
    },
    Client {
        name: "python requests",
        tool: "python3",
        line: "python3 -c 'import ensurepip,glob,os,sys; sys.path[:0]=glob.glob(\"/usr/share/python-wheels/*.whl\")+glob.glob(os.path.dirname(ensurepip.__file__)+\"/_bundled/pip-*.whl\")\n\
               from pip._vendor import requests; print(requests.get(\"http://good.example:3000/pip/demo/\", timeout=5).text)'",
        asks: "registry /pip/demo/",
    },
    Client {
        name: "go",
        tool: "go",
        line: "export GOPATH=$PWD/g GOCACHE=$PWD/c GOPROXY=http://good.example:3000/go GOFLAGS=-mod=mod GOTOOLCHAIN=local GOSUMDB=off\n\
               printf 'module x\\n\\ngo 1.19\\n\\nrequire example.org/demo v1.0.0\\n' > go.mod; go mod download example.org/demo@v1.0.0; cat g/pkg/mod/example.org/demo@v1.0.0/demo.go; chmod -R u+w g",
        asks: "registry /go/example.org/demo/@v/v1.0.0.zip",
    },
    Client {
        name: "apt",
        tool: "apt-get",
        line: "mkdir -p s/lists/partial c/archives/partial; echo 'deb [trusted=yes] http://good.example:3000/apt ./' > l\n\
               apt() { apt-get -qq -o Dir::State=$PWD/s -o Dir::State::status=$PWD/status -o Dir::Cache=$PWD/c -o Dir::Etc::SourceList=$PWD/l \
               -o Dir::Etc::SourceParts=- -o Dir::Etc::Parts=- -o Dir::Log=$PWD -o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=0 \"$@\"; }\n\
               touch status; apt update; apt download demo; ls *.deb",
        asks: "registry /apt/",
    },
    Client {
        name: "psql",
        tool: "psql",
        line: "PGCONNECT_TIMEOUT=5 psql -X -t -A -h good.example -U someone -c 'select answer' db",
        asks: "postgres select answer",
    },
    Client {
        name: "redis-cli",
        tool: "redis-cli",
        line: "redis-cli -h good.example GET answer </dev/null",
        asks: "redis GET answer",
    },
    Client {
        name: "git over ssh",
        tool: "/usr/sbin/sshd",
        line: "export GIT_SSH_COMMAND='ssh -F none -i .servers/user -o BatchMode=yes -o ConnectTimeout=5 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR'\n\
               git archive --remote \"ssh://$LOGIN@good.example:22022$OUTSIDE/repository\" main file | tar xO",
        asks: "ssh",
    },
];

/// Where their servers listen.
const SERVERS: &[&str] =
    &["good.example:3000", "good.example:5432", "good.example:6379", "ssh://good.example:22022"];

pub(super) fn rows() -> Vec<Row> {
    let row = |client: &'static Client| {
        internet::row(format!("works: through the gateway: {}", client.name), &[], &[], move |session| {
            client.judge(session)
        })
    };
    CLIENTS.iter().map(row).collect()
}

impl Client {
    fn judge(&self, session: &Session) -> Result<Outcome, String> {
        let rust = crate::user::rust();
        let there = match self.tool {
            "rust" => rust.is_some(),
            path if path.starts_with('/') => fs::exists(path).unwrap_or(false),
            tool => Session::has(tool),
        };
        if !there {
            return Ok(Outcome::Skipped(format!("this host has no {}", self.tool)));
        }
        let rust = rust.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
        let run = |servers: Option<&[&str]>| {
            let place = session.place()?;
            let outside = place.outside.display();
            let repository = format!(
                "git init -q -b main {outside}/repository; cd {outside}/repository; echo kept > file; git add file; \
                 git -c user.name=n -c user.email=e commit -qm one"
            );
            crate::attack::prepare(session, &place, &repository)?;
            let line = format!("{UNSET}RUST='{rust}' LOGIN='{}' OUTSIDE='{outside}'\n{}", login(), self.line);
            let flags = servers.map(|servers| {
                let mut flags = flags();
                flags.extend(allowing(servers));
                if self.tool == "rust" {
                    flags.extend(["--read".to_owned(), rust.clone()]);
                }
                flags
            });
            internet::with_registries(session, &place, flags.as_deref(), &line)
        };
        let asked = |told: &internet::Told| told.has(self.asks);
        let bare = run(None)?;
        if bare.ran.code != 0 || !asked(&bare) {
            let why = format!("it does not work without a fence: {}", bare.describe());
            return Ok(Outcome::NotProved(why));
        }
        let fenced = run(Some(SERVERS))?;
        if fenced.ran.code != 0 || fenced.ran.stdout != bare.ran.stdout {
            let (inside, outside) = (fenced.ran.describe(), bare.ran.describe());
            return Err(format!("inside: {inside}\noutside: {outside}\n{}", fenced.log));
        }
        let refused = run(Some(&[]))?;
        match asked(&refused) || refused.ran.stdout == bare.ran.stdout {
            true => Err(format!("it came through without a rule: {}", refused.describe())),
            false => Ok(Outcome::Passed),
        }
    }
}

/// The name that this process' user logs in by.
fn login() -> String {
    let told = Command::new("id").arg("-un").output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&told).trim().to_owned()
}
