#!/usr/bin/env python3
"""Writes the seed inputs in corpus/ from the golden data, so that the fuzzers start from what real clients send."""
import pathlib
import re

here = pathlib.Path(__file__).resolve().parent
golden = here.parent / "golden" / "data"


def rows(name):
    return [line.split("\t") for line in (golden / name).read_text(encoding="utf-8").split("\n") if line]


def unhex(text):
    return b"" if text == "-" else bytes.fromhex(text)


def save(target, name, data):
    folder = here / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed_{name}").write_bytes(data)


def frame(header, form):
    return (4 + len(header)).to_bytes(4, "big") + bytes([form]) + len(header).to_bytes(3, "big") + header


wanted = ("SendMessageRequestHeader", "SendMessageRequestHeaderV2", "PullMessageRequestHeader", "PullMessageResponseHeader",
          "SendMessageResponseHeader", "namesrv.RegisterBrokerRequestHeader")
for row in rows("headers.tsv"):
    if row[0] not in wanted:
        continue
    name = row[0].split(".")[-1]
    json = row[1].encode()
    save("command", f"{name}_json", frame(json, 0))
    save("command", f"{name}_binary", frame(unhex(row[2]), 1))
    save("headers", name, json)
save("headers", "sample", b'{"code":310,"extFields":{"a":"g","e":"1","g":"-2","i":"K\\u0001\\ud83d\\ude00\\u0002","j":"0","k":"true",'
     b'"m":"false","queueOffset":"7"},"flag":0,"language":"JAVA","opaque":1,"version":513}')
save("headers", "lenient", b' { "extFields" : {"a":true , "e":1.0,"x":[1,{"y":null}]} , "code":"1" , "remark":null,"language":3}\n')
for row in rows("commands.tsv"):
    if not row[0].startswith("language_"):
        save("command", f"{row[0]}_{row[1].lower()}", unhex(row[2]))
records = rows("records.tsv")
for i in (0, 3, 4, 8, 12, 16, 19, 20, 21):
    save("record", str(i), unhex(records[i][1]))
save("record", "three", b"".join(unhex(records[i][1]) for i in (0, 3, 20)))
for i, row in enumerate(rows("batches.tsv")):
    save("batch", str(i), unhex(row[0]))
for i, row in enumerate(rows("properties.tsv")):
    save("properties", str(i), unhex(row[0]))
save("properties", "id", b"7F00000100002A9F0000000040000000")
save("properties", "topic", b"%RETRY%group")
plain = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\f": "\f", "\\1": "\x01", "\\2": "\x02", "\\\\": "\\"}
unescape = re.compile(r"\\.")
for i, row in enumerate(rows("sql92.tsv")[:60]):
    columns = [unescape.sub(lambda m: plain[m.group()], c) for c in (row[0], row[1][2:])]
    save("sql92", str(i), "\0".join(columns).encode())
