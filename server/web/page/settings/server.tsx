import { Fact } from "../parts/fact.tsx";
import { as, say } from "../preferences.ts";
import { nowMs, status } from "../store.ts";
import { texts } from "../texts.ts";

/** What runs here, since when, and how others know that it is this one. */
export function Server() {
  const now = status.value.value;
  if (now === undefined) return null;
  const dhcp: Readonly<Record<string, (typeof texts.dhcpWords)[keyof typeof texts.dhcpWords]>> = texts.dhcpWords;
  const words = dhcp[now.dhcp];
  return (
    <section class="card" aria-label={say(texts.server)}>
      <h2>{say(texts.server)}</h2>
      <dl class="facts">
        <Fact name="bootcast">
          {now.version}, {say(texts.running(as.span(nowMs.value - now.startedAtMs)))}
        </Fact>
        <Fact name={say(texts.address)}>
          {[...now.https.servers, ...now.addresses].map((address) => (
            <code key={address}>{address} </code>
          ))}
        </Fact>
        <Fact name={say(texts.dhcp)}>{words === undefined ? now.dhcp : say(words)}</Fact>
        <Fact name={say(texts.dataFolder)}>
          <code>{now.dataDir}</code>
        </Fact>
        <div class="facts-long">
          <dt>{say(texts.fingerprint)}</dt>
          <dd>
            <code class="wrap">{now.https.fingerprint}</code>{" "}
            <a href="/api/v1/authority.pem" download="bootcast-authority.pem">
              {say(texts.authority)}
            </a>
          </dd>
        </div>
      </dl>
    </section>
  );
}
