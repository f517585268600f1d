//! A model that always plays the same script, for real agents on trial: it answers on the loopback that the agent is told,
//! asks for one shell command after the other, and then says that it is done.
//!
//! Not a judge, and no model: what the agent answers is not read. How far the script has come is told by the number of
//! results that the agent has sent so far, so that nothing is kept between requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use serde_json::{Value, json};

/// Names under which agents offer their shell.
const SHELLS: &[&str] =
    &["Bash", "bash", "exec_command", "shell_command", "shell", "run_shell_command", "exec"];

/// `ringfence-trial play FILE COMMAND…`: plays the lines of FILE to COMMAND, which finds the port in `MODEL_PORT`, and ends
/// with its exit code; 3 where that could not be done.
pub fn main(arguments: &[String]) -> ExitCode {
    match play(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            eprintln!("play: {why}");
            ExitCode::from(3)
        }
    }
}

fn play(arguments: &[String]) -> Result<u8, String> {
    let [file, program, rest @ ..] = arguments else { return Err("a file and a command are wanted".into()) };
    let script = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let script: Arc<[String]> = script.lines().map(str::to_owned).collect();
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| format!("listening: {error}"))?;
    let port = listener.local_addr().map_err(|error| format!("listening: {error}"))?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let script = script.clone();
            std::thread::spawn(move || serve(&stream, &script));
        }
    });
    let status = Command::new(program).args(rest).env("MODEL_PORT", port.to_string()).status();
    let status = status.map_err(|error| format!("{program}: {error}"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(128))
}

/// Answers one connection until its other end has had enough.
fn serve(stream: &TcpStream, script: &[String]) {
    let mut reader = BufReader::new(stream);
    while let Some((path, body)) = request(&mut reader) {
        let (kind, text) = answer(&path, &body, script);
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", text.len());
        let mut stream = stream;
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(text.as_bytes())).is_err() {
            return;
        }
    }
}

/// The path and the body of the next request.
fn request(reader: &mut impl BufRead) -> Option<(String, Value)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let path = line.split(' ').nth(1)?.split('?').next()?.to_owned();
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim().to_ascii_lowercase();
        match header.split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().ok()?,
            Some(("transfer-encoding", value)) => chunked = value.contains("chunked"),
            Some(_) => {}
            None => break,
        }
    }
    let body = if chunked { chunks(reader)? } else { exactly(reader, length)? };
    Some((path, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

fn chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let length = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        body.extend(exactly(reader, length)?);
        reader.read_line(&mut String::new()).ok()?;
        if length == 0 {
            return Some(body);
        }
    }
}

fn exactly(reader: &mut impl Read, length: usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    reader.take(length as u64).read_to_end(&mut body).ok()?;
    (body.len() == length).then_some(body)
}

/// What to say: the type and the text, by the protocol that the path belongs to.
fn answer(path: &str, body: &Value, script: &[String]) -> (&'static str, String) {
    let wants = |flag: &str| body[flag] == Value::Bool(true);
    if path.ends_with("/messages") {
        stream_or(wants("stream"), anthropic(body, script))
    } else if path.ends_with("/responses") {
        stream_or(wants("stream"), responses(body, script))
    } else if path.ends_with("/chat/completions") {
        completions(body, script, wants("stream"))
    } else if path.contains("enerateContent") {
        gemini(body, script, path.contains("stream"))
    } else if path.ends_with("/count_tokens") {
        ("application/json", json!({ "input_tokens": 1 }).to_string())
    } else {
        ("application/json", json!({ "object": "list", "data": [], "models": [] }).to_string())
    }
}

/// One answer, and the same as events.
type Answer = (Value, Vec<Value>);

fn stream_or(stream: bool, (whole, events): Answer) -> (&'static str, String) {
    match stream {
        false => ("application/json", whole.to_string()),
        true => {
            let event = |event: &Value| {
                format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
            };
            ("text/event-stream", events.iter().map(event).collect())
        }
    }
}

/// The shell that is offered under one of `names`, with the next line for it, if the script has one left.
fn next<'a>(names: &[&str], done: usize, script: &'a [String]) -> Option<(&'static str, &'a str)> {
    let shell = SHELLS.iter().find(|shell| names.contains(shell))?;
    script.get(done).map(|line| (*shell, line.as_str()))
}

/// The texts under `key` of the objects in `list`.
fn texts<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    list.as_array().into_iter().flatten().filter_map(|entry| entry[key].as_str()).collect()
}

fn count(list: &Value, is: impl Fn(&Value) -> bool) -> usize {
    list.as_array().into_iter().flatten().filter(|entry| is(entry)).count()
}

fn anthropic(body: &Value, script: &[String]) -> Answer {
    let messages = body["messages"].as_array().into_iter().flatten();
    let done = messages.map(|message| count(&message["content"], |part| part["type"] == "tool_result")).sum();
    let usage = json!({ "input_tokens": 1, "output_tokens": 1 });
    let message = |content: Value, stop: Value| {
        json!({ "id": "msg", "type": "message", "role": "assistant", "model": body["model"], "content": content,
                "stop_reason": stop, "stop_sequence": null, "usage": usage })
    };
    let (stop, block, start, delta) = match next(&texts(&body["tools"], "name"), done, script) {
        Some((shell, line)) => {
            let input = json!({ "command": line, "description": "the next step" });
            let call = |input: &Value| json!({ "type": "tool_use", "id": format!("call_{done}"), "name": shell, "input": input });
            let delta = json!({ "type": "input_json_delta", "partial_json": input.to_string() });
            ("tool_use", call(&input), call(&json!({})), delta)
        }
        None => {
            let text = |text: &str| json!({ "type": "text", "text": text });
            let delta = json!({ "type": "text_delta", "text": "done" });
            ("end_turn", text("done"), text(""), delta)
        }
    };
    let events = vec![
        json!({ "type": "message_start", "message": message(json!([]), Value::Null) }),
        json!({ "type": "content_block_start", "index": 0, "content_block": start }),
        json!({ "type": "content_block_delta", "index": 0, "delta": delta }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": stop, "stop_sequence": null }, "usage": { "output_tokens": 1 } }),
        json!({ "type": "message_stop" }),
    ];
    (message(json!([block]), stop.into()), events)
}

fn responses(body: &Value, script: &[String]) -> Answer {
    let is_result = |item: &Value| item["type"].as_str().is_some_and(|kind| kind.ends_with("call_output"));
    let done = count(&body["input"], is_result);
    let item = match next(&texts(&body["tools"], "name"), done, script) {
        Some((shell, line)) => {
            let arguments = match shell {
                "shell" => json!({ "command": ["bash", "-c", line] }),
                "exec_command" => json!({ "cmd": line }),
                _ => json!({ "command": line }),
            };
            json!({ "type": "function_call", "id": format!("item_{done}"), "call_id": format!("call_{done}"),
                    "name": shell, "arguments": arguments.to_string() })
        }
        None => json!({ "type": "message", "id": "item", "role": "assistant",
                        "content": [{ "type": "output_text", "text": "done", "annotations": [] }] }),
    };
    let response = |status: &str, output: Value| {
        json!({ "id": "response", "object": "response", "created_at": 1, "status": status, "model": body["model"],
                "output": output,
                "usage": { "input_tokens": 1, "input_tokens_details": { "cached_tokens": 0 }, "output_tokens": 1,
                           "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 2 } })
    };
    let whole = response("completed", json!([item]));
    let events = vec![
        json!({ "type": "response.created", "response": response("in_progress", json!([])) }),
        json!({ "type": "response.output_item.done", "output_index": 0, "item": item }),
        json!({ "type": "response.completed", "response": whole }),
    ];
    (whole, events)
}

fn completions(body: &Value, script: &[String], stream: bool) -> (&'static str, String) {
    let offered: Vec<Value> =
        body["tools"].as_array().into_iter().flatten().map(|tool| tool["function"].clone()).collect();
    let done = count(&body["messages"], |message| message["role"] == "tool");
    let (finish, message) = match next(&texts(&Value::Array(offered.clone()), "name"), done, script) {
        Some((shell, line)) => {
            let arguments = json!({ "command": line, "description": "the next step" }).to_string();
            let call = json!({ "index": 0, "id": format!("call_{done}"), "type": "function",
                               "function": { "name": shell, "arguments": arguments } });
            ("tool_calls", json!({ "role": "assistant", "content": null, "tool_calls": [call] }))
        }
        None => ("stop", json!({ "role": "assistant", "content": "done" })),
    };
    let usage = json!({ "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 });
    let common = |choice: Value, usage: Value| json!({ "id": "c", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice], "usage": usage });
    if !stream {
        let choice = json!({ "index": 0, "message": message, "finish_reason": finish });
        return ("application/json", common(choice, usage).to_string());
    }
    let first = common(json!({ "index": 0, "delta": message, "finish_reason": null }), Value::Null);
    let last = common(json!({ "index": 0, "delta": {}, "finish_reason": finish }), usage);
    ("text/event-stream", format!("data: {first}\n\ndata: {last}\n\ndata: [DONE]\n\n"))
}

fn gemini(body: &Value, script: &[String], stream: bool) -> (&'static str, String) {
    let tools = body["tools"].as_array().into_iter().flatten();
    let names: Vec<&str> = tools.flat_map(|tool| texts(&tool["functionDeclarations"], "name")).collect();
    let contents = body["contents"].as_array().into_iter().flatten();
    let done =
        contents.map(|content| count(&content["parts"], |part| part["functionResponse"].is_object())).sum();
    let part = match next(&names, done, script) {
        Some((shell, line)) => json!({ "functionCall": { "name": shell, "args": { "command": line } } }),
        None => json!({ "text": "done" }),
    };
    let usage = json!({ "promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2 });
    let candidate =
        json!({ "index": 0, "finishReason": "STOP", "content": { "role": "model", "parts": [part] } });
    let whole = json!({ "candidates": [candidate], "usageMetadata": usage });
    match stream {
        true => ("text/event-stream", format!("data: {whole}\r\n\r\n")),
        false => ("application/json", whole.to_string()),
    }
}
