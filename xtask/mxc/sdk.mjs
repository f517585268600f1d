// MXC's SDK for Node drives our program: one-shot requests with and without a terminal.
// The SDK comes from its package and is changed in nothing; MXC_BIN_DIR names ours.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { createConfigFromPolicy, spawnSandbox, spawnSandboxAsync, spawnSandboxFromConfig } from '@microsoft/mxc-sdk';

// Without bubblewrap the SDK would say that nothing is supported: what it looks for is not what runs.
const options = { skipPlatformCheck: true };
const folder = fs.mkdtempSync(path.join(process.cwd(), 'place-'));
after(() => fs.rmSync(folder, { recursive: true }));

const policy = (more = {}) => ({ version: '0.8.0-alpha', ...more });

// The command without a terminal, to its end.
function piped(commandLine, more = {}, input = '') {
    const config = createConfigFromPolicy(policy(more));
    config.process.commandLine = commandLine;
    const child = spawnSandboxFromConfig(config, { ...options, usePty: false }, folder);
    return new Promise((resolve, reject) => {
        const said = { stdout: [], stderr: [], pieces: [] };
        child.stdout.on('data', (piece) => { said.stdout.push(piece); said.pieces.push(Date.now()); });
        child.stderr.on('data', (piece) => said.stderr.push(piece));
        child.on('error', reject);
        child.on('close', (code) => resolve({
            code,
            stdout: Buffer.concat(said.stdout),
            stderr: Buffer.concat(said.stderr).toString(),
            pieces: said.pieces,
        }));
        child.stdin.end(input);
    });
}

const envelope = (stderr) => JSON.parse(stderr.split('\n').find((line) => line.startsWith('{"error"'))).error;

test('it is ours that runs', () => {
    const program = path.join(process.env.MXC_BIN_DIR, os.arch(), 'lxc-exec');
    assert.match(fs.realpathSync(program), /ringfence$/);
});

test('without a terminal: output, standard error and exit code apart, byte by byte', async () => {
    const ran = await piped("printf 'a\\000\\377b'; echo wrong >&2; exit 42");
    assert.equal(ran.code, 42);
    assert.deepEqual([...ran.stdout], [0x61, 0, 0xff, 0x62]);
    assert.equal(ran.stderr, 'wrong\n');
});

test('without a terminal: standard input', async () => {
    const ran = await piped('tr a-z A-Z', {}, 'from outside');
    assert.equal(ran.stdout.toString(), 'FROM OUTSIDE');
});

test('without a terminal: output comes while the command runs', async () => {
    const ran = await piped('echo first; sleep 1; echo second');
    assert.equal(ran.stdout.toString(), 'first\nsecond\n');
    assert.ok(ran.pieces.at(-1) - ran.pieces[0] > 700, `both came at once: ${ran.pieces}`);
});

test('with a terminal: there is one, of the size that was asked for', async () => {
    const ran = await spawnSandboxAsync('test -t 0 && test -t 1 && stty size; exit 3', policy(), options);
    assert.equal(ran.exitCode, 3);
    assert.match(ran.stdout, /80 120/);
});

test('with a terminal: what is typed arrives', async () => {
    const terminal = spawnSandbox('read line; echo "got $line"', policy(), options);
    let said = '';
    terminal.onData((text) => { said += text; });
    terminal.write('typed\r');
    const { exitCode } = await new Promise((resolve) => terminal.onExit(resolve));
    assert.equal(exitCode, 0);
    assert.match(said, /got typed/);
});

test('with a terminal: output comes while the command runs', async () => {
    const terminal = spawnSandbox('echo first; sleep 1; echo second', policy(), options);
    const times = [];
    terminal.onData((text) => { if (/first|second/.test(text)) times.push(Date.now()); });
    await new Promise((resolve) => terminal.onExit(resolve));
    assert.equal(times.length, 2);
    assert.ok(times[1] - times[0] > 700);
});

test('the time-out ends the command and all that it started', async () => {
    const late = path.join(folder, 'late');
    const begun = Date.now();
    const ran = await piped(`(sleep 2; echo x >${late}) & sleep 60`, {
        timeoutMs: 400,
        filesystem: { readwritePaths: [folder] },
    });
    assert.equal(ran.code, 255);
    assert.match(envelope(ran.stderr).message, /timed out after 400ms/);
    assert.ok(Date.now() - begun < 5000);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    assert.ok(!fs.existsSync(late), 'a child went on');
});

test('a killed program takes its command along', async () => {
    const late = path.join(folder, 'late-too');
    const early = path.join(folder, 'early');
    const config = createConfigFromPolicy(policy({ filesystem: { readwritePaths: [folder] } }));
    config.process.commandLine = `echo x >${early}; sleep 2; echo x >${late}`;
    const child = spawnSandboxFromConfig(config, { ...options, usePty: false }, folder);
    while (!fs.existsSync(early)) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 3000));
    assert.ok(!fs.existsSync(late), 'the command went on');
});

test('readable, writable and denied paths', async () => {
    const place = (name) => { const at = path.join(folder, name); fs.mkdirSync(at, { recursive: true }); return at; };
    const [rw, ro, denied] = [place('rw'), place('ro'), place('rw/denied')];
    fs.writeFileSync(path.join(ro, 'f'), 'readable');
    fs.writeFileSync(path.join(denied, 'secret'), 'not-to-be-seen');
    const ran = await piped(`cat ${ro}/f; echo x >${ro}/g; echo y >${rw}/h; cat ${denied}/secret; cat ${rw}/denied/../denied/secret`, {
        filesystem: { readwritePaths: [rw], readonlyPaths: [ro], deniedPaths: [denied] },
    });
    assert.match(ran.stdout.toString(), /readable/);
    assert.doesNotMatch(ran.stdout.toString(), /not-to-be-seen/);
    assert.ok(!fs.existsSync(path.join(ro, 'g')));
    assert.equal(fs.readFileSync(path.join(rw, 'h'), 'utf8'), 'y\n');
});

test('the variables of the request and no others', async () => {
    process.env.RINGFENCE_TRIAL_OUTSIDE = 'outside';
    const config = createConfigFromPolicy(policy());
    config.process.commandLine = 'env';
    const child = spawnSandboxFromConfig(config, { ...options, usePty: false }, folder, { INSIDE: 'inside' });
    let said = '';
    child.stdout.on('data', (piece) => { said += piece; });
    await new Promise((resolve) => child.on('close', resolve));
    assert.match(said, /^INSIDE=inside$/m);
    assert.doesNotMatch(said, /RINGFENCE_TRIAL_OUTSIDE/);
});

test('the working directory, where it is granted', async () => {
    const asked = policy({ filesystem: { readonlyPaths: [folder] } });
    const ran = await spawnSandboxAsync('pwd', asked, options, folder);
    assert.equal(ran.stdout.trim(), folder);
    await assert.rejects(spawnSandboxAsync('pwd', policy(), options, folder), { code: 'policy_validation' });
});

test('a refusal is an error that the SDK can read, with its code', async () => {
    const asked = policy({ filesystem: { readonlyPaths: ['/no/such/path'] } });
    await assert.rejects(spawnSandboxAsync('true', asked, options), { code: 'policy_validation' });
});

test('a dry run says whether it would start', async () => {
    const dry = { ...options, dryRun: true };
    const good = await spawnSandboxAsync('touch ran', policy(), dry);
    assert.equal(good.exitCode, 0);
    assert.match(good.stdout, /Dry run completed\. Result: validation passed/);
    assert.ok(!fs.existsSync(path.join(folder, 'ran')));
});

test('the log of the SDK gets our events, one JSON object a line', async () => {
    const logDir = path.join(folder, 'logs');
    fs.mkdirSync(logDir);
    await spawnSandboxAsync('true', policy(), { ...options, logDir });
    const [log] = fs.readdirSync(logDir);
    const lines = fs.readFileSync(path.join(logDir, log), 'utf8').split('\n').filter((line) => line.startsWith('{'));
    const events = lines.map((line) => JSON.parse(line).event);
    assert.ok(events.includes('mxc.PolicyHash') && events.includes('exited'), `${events}`);
});
