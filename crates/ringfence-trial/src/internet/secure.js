// Servers of the small internet that speak TLS: HTTP/1, HTTP/2 and WebSocket. They write down every request, with what it
// is authorised by, and answer as its path asks.
'use strict';
const fs = require('fs');
const http = require('http');
const http2 = require('http2');
const tls = require('tls');
const crypto = require('crypto');
const [log, place] = process.argv.slice(2);
const write = line => fs.appendFileSync(log, line + '\n');
const read = name => fs.readFileSync(place + '/' + name);
const contexts = {};
for (const name of ['server', 'stranger']) {
    contexts[name] = tls.createSecureContext({ key: read(name + '.key'), cert: read(name + '.pem') });
}

function answer(scheme, address, request, response) {
    const host = request.headers[':authority'] || request.headers.host;
    const given = request.headers.authorization || request.headers['x-token'] || '';
    let size = 0;
    const chunks = [];
    request.on('data', chunk => {
        size += chunk.length;
        if (request.url.startsWith('/stream')) response.write(chunk);
        else if (size < 65536) chunks.push(chunk);
    });
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('end', () => {
        write(`request ${scheme}/${request.httpVersionMajor} ${address} ${request.method} ${host} ${request.url} ${size} [${given}]`);
        if (request.url.startsWith('/stream')) return response.end();
        if (request.url.startsWith('/echo')) {
            response.setHeader('content-type', 'application/json');
            return response.end(JSON.stringify(request.headers));
        }
        if (request.url.startsWith('/slowly')) {
            // The value in two pieces.
            const text = JSON.stringify(request.headers);
            const middle = text.indexOf(given) + Math.floor(given.length / 2);
            response.write(text.slice(0, middle));
            return setTimeout(() => response.end(text.slice(middle)), 50);
        }
        if (request.url.startsWith('/field')) response.setHeader('x-back', given);
        if (request.url.startsWith('/git/')) {
            if (!given) {
                response.statusCode = 401;
                response.setHeader('www-authenticate', 'Basic realm="x"');
                return response.end();
            }
            const file = place + '/repo/' + request.url.slice(5).split('?')[0];
            if (!fs.existsSync(file) || !fs.statSync(file).isFile()) response.statusCode = 404;
            return response.end(response.statusCode === 404 ? '' : fs.readFileSync(file));
        }
        response.end(`${request.method} ${request.url} ${size}\n`);
    });
    if (request.url.startsWith('/stream')) response.writeHead(200);
}

// A WebSocket that sends back what it gets, and a greeting first (RFC 6455).
function upgrade(address, request, socket) {
    write(`upgrade ${address} ${request.headers.host} ${request.url}`);
    const key = crypto.createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11');
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ' +
        key.digest('base64') + '\r\n\r\n');
    socket.on('error', () => {});
    socket.on('data', frame => {
        const length = frame[1] & 127;
        const text = frame.subarray(6, 6 + length).map((byte, at) => byte ^ frame[2 + (at & 3)]);
        socket.write(Buffer.concat([Buffer.from([0x81, length]), text]));
    });
}

let left = 5;
const ready = () => { if (--left === 0) write('ready'); };
const keys = name => ({ key: read(name + '.key'), cert: read(name + '.pem') });
left += require(place + '/resolvers.js').start(write, keys, ready);
// TLS in front of the parent proxy on the host.
const front = tls.createServer({
    key: read('server.key'),
    cert: read('server.pem'),
    SNICallback: (name, done) => {
        write(`front ${name}`);
        done(null, contexts[name === 'broken.example' ? 'stranger' : 'server']);
    },
}, client => {
    const parent = require('net').connect(3128, '203.0.113.1');
    client.pipe(parent).pipe(client);
    for (const socket of [client, parent]) socket.on('error', () => { client.destroy(); parent.destroy(); });
});
front.on('tlsClientError', () => {});
front.listen(3443, '0.0.0.0', ready);

for (const address of ['203.0.113.12', '203.0.113.13']) {
    const secure = http2.createSecureServer({
        allowHTTP1: true,
        key: read('server.key'),
        cert: read('server.pem'),
        SNICallback: (name, done) => {
            write(`sni ${address} ${name}`);
            done(null, contexts[name === 'broken.example' ? 'stranger' : 'server']);
        },
    }, (request, response) => answer('tls', address, request, response));
    secure.on('upgrade', (request, socket) => upgrade(address, request, socket));
    secure.on('sessionError', () => {});
    secure.on('tlsClientError', () => {});
    const plain = http.createServer((request, response) => answer('plain', address, request, response));
    for (const [server, port] of [[secure, 443], [plain, 80]]) {
        server.listen(port, address, ready);
    }
}
