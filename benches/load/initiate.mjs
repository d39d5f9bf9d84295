#!/usr/bin/env node
// Makes a fresh mongod on this port a replica set of one, by the wire protocol: OP_MSG with a hand-made BSON document.
import net from "node:net";
const port = Number(process.argv[2]);
const cstring = (text) => Buffer.from(`${text}\0`);
const int = (n) => { const b = Buffer.alloc(4); b.writeInt32LE(n); return b; };
const string = (text) => Buffer.concat([int(Buffer.byteLength(text) + 1), cstring(text)]);
const bson = (fields) => {
  const body = Buffer.concat([...fields.map(([name, value]) => {
    if (typeof value === "number") return Buffer.concat([Buffer.from([0x10]), cstring(name), int(value)]);
    if (typeof value === "string") return Buffer.concat([Buffer.from([0x02]), cstring(name), string(value)]);
    return Buffer.concat([Buffer.from([value.array ? 0x04 : 0x03]), cstring(name), bson(value.array ?? value.fields)]);
  }), Buffer.from([0])]);
  return Buffer.concat([int(body.length + 4), body]);
};
const send = (fields) => new Promise((resolve, reject) => {
  const socket = net.connect(port, "127.0.0.1");
  const document = bson([...fields, ["$db", "admin"]]);
  const head = Buffer.concat([int(21 + document.length), int(1), int(0), int(2013), int(0), Buffer.from([0])]);
  socket.on("error", reject).on("data", (data) => { socket.destroy(); resolve(data.toString("latin1")); });
  socket.write(Buffer.concat([head, document]));
});
const member = { fields: [["_id", 0], ["host", `127.0.0.1:${port}`]] };
const config = { fields: [["_id", "crackers"], ["members", { array: [["0", member]] }]] };
for (let tries = 0; tries < 200; tries += 1) {
  try {
    await send([["replSetInitiate", config]]);
    // A boolean true after the name: this one takes writes.
    if ((await send([["hello", 1]])).includes("isWritablePrimary\0\x01")) process.exit(0);
  } catch { /* not up yet */ }
  await new Promise((resolve) => setTimeout(resolve, 200));
}
console.error("mongod did not become a primary");
process.exit(1);
