//! What is tried with the inspector, and under which policy. Not how it is judged.

use crate::internet::line::{Escape, Works};

pub(super) const POLICY: &str = r#"version = 1
[network]
mode = "rules"
allow = ["api.example", "shared.example", "other.example"]
[[network.http]]
host = "api.example"
methods = ["GET"]
paths = ["/ok/**"]
max_header = "4KiB"
[[network.http]]
host = "api.example"
methods = ["POST"]
paths = ["/up", "/stream"]
max_body = "1MiB"
[[network.http]]
host = "api.example"
methods = ["GET", "POST"]
paths = ["/git/**", "/ws"]
[[network.http]]
host = "broken.example"
"#;

pub(super) const ESCAPES: &[Escape] = &[
    Escape {
        name: "method over http/2",
        threats: &[49, 50],
        line: "curl -s -m 5 -X DELETE https://api.example/ok/x",
        reaches: "request tls/2 203.0.113.12 DELETE api.example /ok/x",
    },
    Escape {
        name: "method over http/1",
        threats: &[49, 50],
        line: "curl -s -m 5 --http1.1 -X DELETE https://api.example/ok/x",
        reaches: "request tls/1 203.0.113.12 DELETE api.example /ok/x",
    },
    Escape {
        name: "method in a field",
        threats: &[49, 50],
        line: "curl -s -m 5 -H 'X-HTTP-Method-Override: DELETE' https://api.example/ok/x",
        reaches: "request tls/2 203.0.113.12 GET api.example /ok/x",
    },
    Escape {
        name: "path over http/2",
        threats: &[49, 50],
        line: "curl -s -m 5 https://api.example/no",
        reaches: "request tls/2 203.0.113.12 GET api.example /no",
    },
    Escape {
        name: "path over http/1",
        threats: &[49, 50],
        line: "curl -s -m 5 --http1.1 https://api.example/no",
        reaches: "request tls/1 203.0.113.12 GET api.example /no",
    },
    Escape {
        name: "path without encryption",
        threats: &[49, 50],
        line: "curl -s -m 5 http://api.example/no",
        reaches: "request plain/1 203.0.113.12 GET api.example /no",
    },
    Escape {
        name: "path with dots",
        threats: &[49],
        line: "curl -s -m 5 --path-as-is https://api.example/ok/../no",
        reaches: "request tls/2 203.0.113.12 GET api.example /ok/../no",
    },
    Escape {
        name: "path with encoded dots",
        threats: &[49],
        line: "curl -s -m 5 --path-as-is https://api.example/ok/%2e%2E/no",
        reaches: "request tls/2 203.0.113.12 GET api.example /ok/%2e%2E/no",
    },
    Escape {
        name: "path with an encoded slash",
        threats: &[49],
        line: "curl -s -m 5 --path-as-is https://api.example/ok/..%2fno",
        reaches: "request tls/2 203.0.113.12 GET api.example /ok/..%2fno",
    },
    Escape {
        name: "path with a backslash",
        threats: &[49],
        line: "raw 'GET /ok/..\\\\no HTTP/1.1\\r\\nHost: api.example\\r\\n\\r\\n'",
        reaches: "request tls/1 203.0.113.12 GET api.example /ok/..\\no",
    },
    Escape {
        name: "another host in the request",
        threats: &[44],
        line: "curl -s -m 5 -H 'Host: shared.example' https://api.example/ok/x",
        reaches: "request tls/2 203.0.113.12 GET shared.example /ok/x",
    },
    Escape {
        name: "another host in absolute form",
        threats: &[44, 49],
        line: "raw 'GET https://shared.example/ok/x HTTP/1.1\\r\\nHost: api.example\\r\\n\\r\\n'",
        reaches: "request tls/1 203.0.113.12 GET api.example https://shared.example/ok/x",
    },
    Escape {
        name: "second request of a connection",
        threats: &[47, 49],
        line: "raw 'GET /ok/1 HTTP/1.1\\r\\nHost: api.example\\r\\n\\r\\n' 'DELETE /ok/2 HTTP/1.1\\r\\nHost: api.example\\r\\n\\r\\n'",
        reaches: "request tls/1 203.0.113.12 DELETE api.example /ok/2",
    },
    Escape {
        name: "pipelined request",
        threats: &[47, 49],
        line: "raw 'GET /ok/1 HTTP/1.1\\r\\nHost: api.example\\r\\n\\r\\nDELETE /ok/2 HTTP/1.1\\r\\nHost: api.example\\r\\n\\r\\n'",
        reaches: "request tls/1 203.0.113.12 DELETE api.example /ok/2",
    },
    Escape {
        name: "request behind a body with bare line feeds",
        threats: &[49],
        line: "raw 'GET /ok/1 HTTP/1.1\\nHost: api.example\\n\\n' || true; \
               raw 'POST /up HTTP/1.1\\r\\nHost: api.example\\r\\nContent-Length: 0\\r\\n\\r\\nDELETE /no HTTP/1.1\\r\\nHost: api.example\\r\\n\\r\\n'",
        reaches: "request tls/1 203.0.113.12 DELETE api.example /no",
    },
    Escape {
        name: "requests behind a refused change of the protocol",
        threats: &[49],
        line: "raw 'GET /ok/1 HTTP/1.1\\r\\nHost: api.example\\r\\nConnection: Upgrade\\r\\nUpgrade: h2c\\r\\n\\r\\n' \
               'DELETE /no HTTP/1.1\\r\\nHost: api.example\\r\\n\\r\\n'; \
               curl -s -m 5 -X DELETE --http1.1 https://api.example/no",
        reaches: "request tls/1 203.0.113.12 DELETE api.example /no",
    },
    Escape {
        name: "body that is larger than it may be",
        threats: &[50],
        line: "head -c 1048577 /dev/zero | curl -s -m 5 --data-binary @- https://api.example/up",
        reaches: "request tls/2 203.0.113.12 POST api.example /up 1048577",
    },
    Escape {
        name: "body of a length that nobody said",
        threats: &[50],
        line: "head -c 1048577 /dev/zero | curl -s -m 5 --http1.1 -H Transfer-Encoding:chunked -T - -X POST https://api.example/up",
        reaches: "request tls/1 203.0.113.12 POST api.example /up 1048577",
    },
    Escape {
        name: "head that is larger than it may be",
        threats: &[50],
        line: "curl -s -m 5 -H \"X: $(head -c 5000 /dev/zero | tr '\\0' x)\" https://api.example/ok/x",
        reaches: "request tls/2 203.0.113.12 GET api.example /ok/x",
    },
    Escape {
        name: "client that names no server",
        threats: &[44],
        line: "getent hosts api.example >/dev/null; curl -s -m 5 -k -H 'Host: api.example' https://203.0.113.12/no",
        reaches: "request tls/2 203.0.113.12 GET api.example /no",
    },
    Escape {
        name: "client that names a neighbour to no one",
        threats: &[44],
        line: "getent hosts api.example >/dev/null; curl -s -m 5 -k --connect-to shared.example:443:203.0.113.12:443 -H 'Host: api.example' https://nobody.example/no; \
               curl -s -m 5 -k --resolve nobody.example:443:203.0.113.12 -H 'Host: api.example' https://nobody.example/no",
        reaches: "request tls/2 203.0.113.12 GET api.example /no",
    },
    Escape {
        name: "method through the proxy",
        threats: &[43, 49],
        line: "curl -s -m 5 $PROXY -X DELETE https://api.example/ok/x",
        reaches: "request tls/2 203.0.113.12 DELETE api.example /ok/x",
    },
    Escape {
        name: "method without encryption through the proxy",
        threats: &[43, 49],
        line: "curl -s -m 5 $PROXY -X DELETE http://api.example/ok/x",
        reaches: "request plain/1 203.0.113.12 DELETE api.example /ok/x",
    },
];

pub(super) const WORKS: &[Works] = &[
    Works {
        name: "curl by http/2",
        tool: "curl",
        line: "curl -sS -m 5 -w '%{http_version}' https://api.example/ok/1",
    },
    Works {
        name: "curl by http/1",
        tool: "curl",
        line: "curl -sS -m 5 --http1.1 https://api.example/ok/1 https://api.example/ok/2",
    },
    Works { name: "curl without encryption", tool: "curl", line: "curl -sS -m 5 http://api.example/ok/1" },
    Works {
        name: "python",
        tool: "python3",
        line: "python3 -c 'import urllib.request; print(urllib.request.urlopen(\"https://api.example/ok/1\",timeout=5).read())'",
    },
    Works {
        name: "python requests",
        tool: "python3",
        line: "REQUESTS_CA_BUNDLE=${REQUESTS_CA_BUNDLE:-$SSL_CERT_FILE} python3 -c '\ntry: import requests\nexcept ImportError: from pip._vendor import requests\n\
               s=requests.Session(); print(s.get(\"https://api.example/ok/1\",timeout=5).text, s.get(\"https://api.example/ok/2\",timeout=5).text)'",
    },
    Works {
        name: "node fetch",
        tool: "node",
        line: "NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-$SSL_CERT_FILE} node -e 'fetch(\"https://api.example/ok/1\").then(r=>r.text()).then(t=>process.stdout.write(t))'",
    },
    Works {
        name: "git",
        tool: "git",
        line: "GIT_SSL_CAINFO=${GIT_SSL_CAINFO:-$SSL_CERT_FILE} git ls-remote https://u:p@api.example/git/repo.git && echo done",
    },
    Works {
        name: "WebSocket",
        tool: "node",
        line: "NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-$SSL_CERT_FILE} node -e 'const s=require(\"tls\").connect({host:\"api.example\",port:443,servername:\"api.example\",ALPNProtocols:[\"http/1.1\"]},()=>{\n\
               s.write(\"GET /ws HTTP/1.1\\r\\nHost: api.example\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\nSec-WebSocket-Key: x\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n\")\n\
               let t=\"\"; s.on(\"data\",d=>{t+=d.toString(\"latin1\"); if(t.endsWith(\"\\r\\n\\r\\n\"))s.write(Buffer.from([0x81,0x82,1,2,3,4,105,107])); if(t.endsWith(\"hi\")){console.log(\"hi\");s.end()}})})\n\
               s.on(\"error\",e=>console.log(e.message))'",
    },
    Works {
        name: "a body that is carried both ways at once",
        tool: "curl",
        line: "head -c 1000000 /dev/zero | curl -sS -m 9 --data-binary @- https://api.example/stream | cksum",
    },
    Works {
        name: "a body of a length that nobody said",
        tool: "curl",
        line: "head -c 1000000 /dev/zero | curl -sS -m 9 --http1.1 -H Transfer-Encoding:chunked -T - -X POST https://api.example/up",
    },
    Works {
        name: "a body of a GET, of a length that nobody said",
        tool: "curl",
        line: "curl -sS -m 9 --http1.1 -X GET -H Transfer-Encoding:chunked -d abc https://api.example/ok/get",
    },
    Works {
        name: "a neighbour at the same address",
        tool: "curl",
        line: "curl -vsS -m 5 https://shared.example/any 2>&1 | grep -oE 'issuer.*|GET /any 0$'",
    },
    Works {
        name: "a host of its own",
        tool: "curl",
        line: "curl -vsS -m 5 https://other.example/any 2>&1 | grep -oE 'issuer.*|GET /any 0$'",
    },
];
