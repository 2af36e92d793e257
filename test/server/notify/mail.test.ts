import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { getCACertificates, type SecureContextOptions, setDefaultCACertificates } from "node:tls";
import type { MailSettings } from "../../../server/notify/mail-settings.ts";
import { Authority } from "../../../server/tls/authority.ts";
import { noticeSite } from "./site.ts";
import { SmtpServer } from "./smtp-server.ts";

async function mailed(t: TestContext, more: Partial<MailSettings> = {}, tls?: SecureContextOptions) {
  const smtp = await SmtpServer.start(tls);
  t.after(() => smtp.stop());
  const mail = {
    server: "127.0.0.1",
    port: smtp.port,
    security: "none",
    from: "bootcast@school.example",
    ...more,
  } as const;
  const site = await noticeSite(t, mail);
  await site.add({ name: "lab", kind: "mail", address: "mueller@school.example,night@school.example" });
  return { smtp, ...site };
}

test("what happens within a short time is one mail to all addresses", async (t) => {
  const { smtp, core, targets, start, happen } = await mailed(t);
  const courier = start();
  for (const number of [1, 2, 3]) await happen(number);
  await courier.look();
  assert.equal(smtp.mails.length, 0, "more may come in a moment");
  core.nowMs += 20_000;
  await courier.look();
  await courier.look();
  assert.equal(smtp.mails.length, 1);
  const [{ from, to, lines }] = smtp.mails as [(typeof smtp.mails)[0]];
  assert.deepEqual([from, to], ["bootcast@school.example", ["mueller@school.example", "night@school.example"]]);
  const text = lines.join("\n");
  assert.match(text, /^Subject: A new host appeared: lab-01 \(and 2 more\)$/m);
  assert.match(text, /^Auto-Submitted: auto-generated$/im);
  assert.match(text, /^Message-ID: <lab-\d+@bootcast\.lab-server>$/im);
  for (const name of ["lab-01", "lab-02", "lab-03"]) assert(text.includes(`A new host appeared: ${name}`));
  assert.equal((await targets.find("lab")).waiting, 0);
});

test("names of hosts cannot add lines to a mail's head", async (t) => {
  const { smtp, core, start } = await mailed(t);
  const name = "x\r\nBcc: evil@example.org\r\n\r\nhello";
  await core.events.change(({ record }) =>
    record({ kind: "host.registered", data: { isNew: true, name, mac: "m\r\n.\r\nQUIT" } }),
  );
  core.nowMs += 20_000;
  await start().look();
  const [mail] = smtp.mails;
  assert.deepEqual([smtp.mails.length, mail?.to.length], [1, 2]);
  const head = mail!.lines.slice(0, mail!.lines.indexOf(""));
  assert(!head.some((line) => /^bcc:/i.test(line)), head.join("\n"));
});

test("a mail server that refuses for now is tried again, one that refuses for ever five times", async (t) => {
  const { smtp, core, targets, start, happen } = await mailed(t);
  const courier = start();
  smtp.answers.set("MAIL", "451 later");
  await happen(1);
  core.nowMs += 20_000;
  await courier.look();
  const first = await targets.find("lab");
  assert.deepEqual([first.fault?.code, first.waiting, first.failures], ["MAIL_REFUSED", 1, 1]);
  smtp.answers.set("MAIL", "550 never");
  for (let round = 0; round < 5; round += 1) {
    core.nowMs += 3_600_000;
    await courier.look();
  }
  assert.equal((await targets.find("lab")).waiting, 0, "given up");
  smtp.answers.clear();
  assert.deepEqual(await courier.test(await targets.find("lab")), { isTold: true });
  assert.match(smtp.mails.at(-1)!.lines.join("\n"), /^Subject: This is a test$/m);
});

test("a login comes from a file, is read each time, and is told when it is wrong", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "bootcast-mail-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const passwordFile = join(folder, "password");
  const { smtp, targets, start } = await mailed(t, { user: "lab", passwordFile });
  const try_ = async () => start().test(await targets.find("lab"));
  const absent = await try_();
  assert(!absent.isTold && absent.fault.code === "MAIL_UNREACHABLE" && /ENOENT/.test(absent.fault.why));
  writeFileSync(passwordFile, "right\n");
  assert.deepEqual(await try_(), { isTold: true });
  const sent = smtp.commands.find((line) => line.startsWith("AUTH PLAIN "))?.slice("AUTH PLAIN ".length);
  assert.equal(Buffer.from(sent ?? "", "base64").toString(), "\0lab\0right");
  smtp.answers.set("AUTH", "535 no");
  const wrong = await try_();
  assert(!wrong.isTold && !wrong.isRefused && wrong.fault.code === "MAIL_LOGIN");
  assert(!JSON.stringify(wrong.fault).includes("right"));
});

test("without TLS where it is asked for nothing is sent; a server that is not there is told", async (t) => {
  const { smtp, targets, start } = await mailed(t, { security: "starttls" });
  const plain = await start().test(await targets.find("lab"));
  assert(!plain.isTold && plain.fault.code === "MAIL_TLS", JSON.stringify(plain));
  assert(!smtp.commands.some((line) => line.startsWith("MAIL")));
  const tls = await mailed(t, { security: "tls" });
  const refused = await tls.start().test(await tls.targets.find("lab"));
  assert(!refused.isTold && /MAIL_(TLS|UNREACHABLE)/.test(refused.fault.code));
  const gone = await mailed(t);
  gone.smtp.stop();
  const unreachable = await gone.start().test(await gone.targets.find("lab"));
  assert(!unreachable.isTold && unreachable.fault.code === "MAIL_UNREACHABLE", JSON.stringify(unreachable));
});

test("STARTTLS: a server that this machine trusts gets the mail, another one nothing but a hello", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "bootcast-mail-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const authority = await Authority.open(folder);
  const certificate = await authority.serverCertificate(["127.0.0.1"], Date.now());
  const { smtp, targets, start } = await mailed(t, { security: "starttls" }, certificate);
  const stranger = await start().test(await targets.find("lab"));
  assert(!stranger.isTold && stranger.fault.code === "MAIL_TLS", JSON.stringify(stranger));
  assert.match(stranger.fault.why, /self-signed certificate/);
  assert(!smtp.commands.some((line) => line.startsWith("MAIL")), smtp.commands.join("\n"));
  const trusted = getCACertificates("default");
  t.after(() => setDefaultCACertificates(trusted));
  setDefaultCACertificates([...trusted, authority.pem]);
  assert.deepEqual(await start().test(await targets.find("lab")), { isTold: true });
  assert.equal(smtp.mails.length, 1);
});
