//! The preset `node`: each package manager installs a package out of its cache and runs a script, without a network.
//!
//! No real registry: a server of one package stands on a loopback port for as long as a cache is filled. What is installed
//! then is removed before the run: it is linked to the cache, and to remove it inside would change the cache's link count.

use super::presets_tools::work;
use crate::row::Row;
use crate::work::Work;

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let rows = [
        (
            "preset node: npm installs out of its cache",
            &["npm", "node", "bash"][..],
            "npm ci --offline --silent; npm test --silent",
            NPM,
        ),
        (
            "preset node: pnpm installs out of its store",
            &["pnpm", "npm", "node", "bash"],
            "pnpm install --offline --frozen-lockfile --silent; pnpm --silent test",
            PNPM,
        ),
        (
            "preset node: yarn installs out of its cache",
            &["yarn", "npm", "node", "bash"],
            "export YARN_CACHE_FOLDER=$HOME/.cache/yarn; yarn install --offline --frozen-lockfile --silent; yarn --silent test",
            YARN,
        ),
        (
            "preset node: bun installs out of its cache",
            &["bun", "npm", "node", "bash"],
            "bun install --frozen-lockfile --silent; bun run --silent test",
            BUN,
        ),
    ];
    rows.into_iter()
        .map(|(name, tools, script, prepare)| {
            work(name, &["node"], script).with(tools).after(prepare).not_under_the_base()
        })
        .map(Work::row)
        .collect()
}

/// What makes a package and its registry, then fills a cache by `$fill`.
macro_rules! registry {
    ($fill:literal) => {
        concat!(
            r#"
rm ~/.npmrc; mkdir $OUTSIDE/rfdep; cd $OUTSIDE/rfdep
echo '{"name":"rfdep","version":"1.0.0"}' > package.json; echo 'module.exports = 42' > index.js
cat > $OUTSIDE/registry.js <<'X'
const http = require("http"), fs = require("fs"), crypto = require("crypto"), tar = fs.readFileSync(process.argv[2]);
const integrity = "sha512-" + crypto.createHash("sha512").update(tar).digest("base64");
const shasum = crypto.createHash("sha1").update(tar).digest("hex");
const server = http.createServer((request, response) => {
  if (request.url.endsWith(".tgz")) return response.end(tar);
  const tarball = `http://127.0.0.1:${server.address().port}/rfdep/-/rfdep-1.0.0.tgz`;
  const version = { name: "rfdep", version: "1.0.0", dist: { tarball, integrity, shasum } };
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ name: "rfdep", "dist-tags": { latest: "1.0.0" }, versions: { "1.0.0": version }, time: {} }));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
X
npm pack --silent >/dev/null; node $OUTSIDE/registry.js rfdep-1.0.0.tgz > $OUTSIDE/port & server=$!
trap "kill $server" EXIT; until grep -q . $OUTSIDE/port; do sleep 0.05; done; cd $WORK
echo "registry=http://127.0.0.1:$(cat $OUTSIDE/port)/" > .npmrc
cat > package.json <<'X'
{ "name": "demo", "version": "1.0.0", "private": true, "dependencies": { "rfdep": "1.0.0" },
  "scripts": { "test": "node -p \"require('rfdep')\"" } }
X
"#,
            $fill,
            "; rm -r node_modules"
        )
    };
}

const NPM: &str = registry!("npm install --silent --no-audit --no-fund");
const PNPM: &str = registry!("pnpm install --silent");
const YARN: &str = registry!("YARN_CACHE_FOLDER=$HOME/.cache/yarn yarn install --silent");
const BUN: &str = registry!("bun install --silent");
