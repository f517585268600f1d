// Resolvers behind TLS of the small internet: by DNS over TLS and by DNS over HTTPS, good ones and, each on a port or a path
// of its own, such as do not answer as they should. They write down every question.
'use strict';
const http2 = require('http2');
const https = require('https');
const tls = require('tls');

const ADDRESS = '203.0.113.53';
const KNOWN = { 'good.example': '203.0.113.10', 'web.example': '203.0.113.10', 'private.example': '10.9.9.9' };
// What is said to be where, by who lies.
const EVIL = '203.0.113.11';

// The name that is asked for, and where its type begins.
function asked(question) {
    const labels = [];
    let at = 12;
    while (question[at]) {
        labels.push(question.toString('latin1', at + 1, at + 1 + question[at]));
        at += 1 + question[at];
    }
    return { name: labels.join('.').toLowerCase(), end: at + 1 };
}

// An answer to a question: with the address that is known, or this one.
function answer(question, rcode, address) {
    const { name, end } = asked(question);
    const found = question.readUInt16BE(end) === 1 && (address || KNOWN[name]);
    const head = Buffer.from([question[0], question[1], 0x81, 0x80 | rcode, 0, 1, 0, found ? 1 : 0, 0, 0, 0, 0]);
    const record = found ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...found.split('.').map(Number)]) : Buffer.alloc(0);
    return Buffer.concat([head, question.subarray(12, end + 4), record]);
}

// The question as it would be for another name of the same length.
function other(question) {
    const changed = Buffer.from(question);
    changed[13] = 0x78;
    return changed;
}

function framed(message) {
    return Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message]);
}

function withId(message, id) {
    const changed = Buffer.from(message);
    changed.writeUInt16BE(id & 0xffff, 0);
    return changed;
}

const id = question => question.readUInt16BE(0);
const rcode = question => (KNOWN[asked(question).name] ? 0 : 3);

// DNS over TLS, by its port.
const OVER_TLS = {
    853: (socket, question) => socket.write(framed(answer(question, rcode(question)))),
    // It closes in the middle of an answer.
    8532: (socket, question) => socket.end(framed(answer(question, 0)).subarray(0, 20)),
    8533: (socket, question) => socket.write(framed(withId(answer(question, 0, EVIL), id(question) + 1))),
    // It says that more comes than does.
    8534: (socket, question) => socket.write(Buffer.concat([Buffer.from([255, 255]), answer(question, 0, EVIL)])),
    8535: (socket, question) => socket.write(framed(answer(other(question), 0, EVIL))),
    8536: () => {},
    8537: (socket, question) => socket.write(framed(answer(question, 2))),
    // More than was asked for: the next question's answer, if its identity is guessed.
    8538: (socket, question) => {
        const all = [framed(answer(question, rcode(question)))];
        for (let guess = 0; guess < 64; guess++) all.push(framed(withId(answer(other(question), 0, EVIL), id(question) + guess)));
        socket.write(Buffer.concat(all));
    },
    // It sends for ever.
    8539: socket => {
        const more = () => { while (socket.writable && socket.write(Buffer.alloc(65536, 255))); };
        socket.on('drain', more);
        more();
    },
};

// DNS over HTTPS, by its path.
const OVER_HTTPS = {
    '/dns-query': (response, question) => message(response, answer(question, rcode(question))),
    '/failing': (response, question) => message(response, answer(question, 0, EVIL), 500),
    '/elsewhere': response => {
        response.writeHead(302, { location: 'https://203.0.113.53/dns-query' });
        response.end();
    },
    '/text': (response, question) => message(response, answer(question, 0, EVIL), 200, 'text/plain'),
    '/large': (response, question) => message(response, Buffer.concat([answer(question, 0, EVIL), Buffer.alloc(100000)])),
    '/short': response => message(response, Buffer.from([0])),
    '/other': (response, question) => message(response, answer(other(question), 0, EVIL)),
    '/silent': () => {},
};

function message(response, body, status, kind) {
    response.writeHead(status || 200, { 'content-type': kind || 'application/dns-message' });
    response.end(body);
}

function overTls(write, port, socket) {
    let held = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', chunk => {
        held = Buffer.concat([held, chunk]);
        while (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
            const question = held.subarray(2, 2 + held.readUInt16BE(0));
            held = held.subarray(2 + question.length);
            write(`dot ${port} ${asked(question).name} ${question.length}`);
            (OVER_TLS[port] || OVER_TLS[853])(socket, question);
        }
    });
}

function overHttps(write, request, response) {
    const chunks = [];
    request.on('data', chunk => chunks.push(chunk));
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('end', () => {
        const question = Buffer.concat(chunks);
        const host = request.headers[':authority'] || request.headers.host;
        write(`doh ${request.httpVersionMajor} ${request.method} ${host} ${request.url} ${asked(question).name} [${request.headers['content-type']}]`);
        OVER_HTTPS[request.url](response, question);
    });
}

// Starts them all; `ready` is called for each. How many they are.
exports.start = (write, keys, ready) => {
    const servers = [];
    const bare = server => server.on('tlsClientError', (error, socket) => write(`no-tls ${socket.localPort || ''} ${error.code}`));
    for (const port of [...Object.keys(OVER_TLS), 8530, 8531]) {
        // Of these two the certificate is another's, and nobody's.
        const key = { 8530: 'server', 8531: 'resolver-stranger' }[port] || 'resolver';
        servers.push([bare(tls.createServer(keys(key), socket => overTls(write, port, socket))), port]);
    }
    const two = http2.createSecureServer({ ...keys('resolver'), allowHTTP1: true }, (request, response) => overHttps(write, request, response));
    two.on('sessionError', () => {});
    const one = https.createServer(keys('resolver'), (request, response) => overHttps(write, request, response));
    servers.push([bare(two), 443], [bare(one), 4431]);
    for (const [server, port] of servers) server.listen(port, ADDRESS, ready);
    return servers.length;
};
