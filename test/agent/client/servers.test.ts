import assert from "node:assert/strict";
import { test } from "node:test";
import { Servers, serverNow, serversAt } from "../../../agent/client/servers.ts";

const [a, b, c] = ["http://10.0.0.1:8440/", "http://10.0.0.2:8440/", "http://10.0.0.3:8440/"] as const;

test("one server is asked as long as nobody knows another", () => {
  const servers = new Servers(new URL(a));
  servers.goOn(servers.current);
  assert.equal(servers.current.href, a);
  assert.equal(serverNow(servers), servers.current);
  assert.equal(serversAt(servers), servers);
  assert.equal(serverNow(new URL(b)).href, b);
});

test("of several the next one is asked when one does not answer, each in its turn", () => {
  const servers = new Servers(new URL(a));
  servers.learn(servers.current, [b, c]);
  const asked: string[] = [];
  for (let time = 0; time < 4; time += 1) {
    asked.push(servers.current.href);
    servers.goOn(servers.current);
  }
  assert.deepEqual(asked, [a, b, c, a]);
});

test("two that fail at the same server go on by one, not by two", () => {
  const servers = new Servers(new URL(a));
  servers.learn(servers.current, [b, c]);
  const asked = servers.current;
  servers.goOn(asked);
  servers.goOn(asked);
  assert.equal(servers.current.href, b);
});

test("the one that answers says which others there are; what is no address, or too much, is left out", () => {
  const servers = new Servers(new URL(a));
  servers.learn(servers.current, [
    a,
    b,
    b,
    "ftp://10.0.0.9/",
    "nonsense",
    ...Array.from({ length: 40 }, (_, at) => `http://10.1.0.${at}/`),
  ]);
  servers.goOn(servers.current);
  assert.equal(servers.current.href, b);
  // That one is gone again, says the second.
  servers.learn(servers.current, []);
  servers.goOn(servers.current);
  assert.equal(servers.current.href, b);
  servers.learn(servers.current, undefined);
  assert.equal(servers.current.href, b);
});

test("while another one is tried, the one that answered somebody else stays known", () => {
  const servers = new Servers(new URL(a));
  servers.learn(servers.current, [b]);
  const first = servers.current;
  servers.goOn(first);
  const second = servers.current;
  // The stream is not at the second one yet, so the first is tried again; the second answers a report meanwhile.
  servers.goOn(second);
  servers.learn(second, [a]);
  servers.goOn(servers.current);
  assert.equal(servers.current.href, b);
});
