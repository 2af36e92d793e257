import type { DeployPlanBody } from "../../../api/schemas.ts";
import { formatClock } from "../format.ts";
import { Icon } from "../parts/icon.tsx";
import { as, say } from "../preferences.ts";
import { seenWords } from "../room/host-tiles.tsx";
import { texts } from "../texts.ts";

/** What a person reads before typing the word: which disks are lost, and what stands out. */
export function Plan({ plan }: { plan: DeployPlanBody }) {
  const image = `${plan.image.name} v${plan.image.version}`;
  const keeps = plan.erase === "none";
  const headline = keeps ? texts.willBeOverwritten : texts.willBeErased;
  const ofErased = plan.hosts.length === 1 ? texts.andReceive : texts.andReceiveMany;
  const receive = keeps ? texts.whereDifferent : ofErased;
  return (
    <>
      {plan.hosts.length === 0 ? (
        <p class="big">{say(texts.nobodyLeft)}</p>
      ) : (
        <div class="plan-head">
          <Icon name="eraser" size={28} />
          <p>
            <strong>{say(headline(plan.hosts.length))}</strong> {say(receive(image, as.bytes(plan.image.storedBytes)))}
          </p>
        </div>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it. */}
      <ul class="plan" tabIndex={0} aria-label={say(texts.hosts(plan.hosts.length))}>
        {plan.hosts.map((host) => (
          <li key={host.id} class={host.warning === "" ? "" : "plan-warned"}>
            <strong class="plan-name">{host.name}</strong>
            <span>{host.model === "" ? say(texts.unknown) : host.model}</span>
            <span>
              {host.disks.map(({ path, sizeBytes }) => `${path} ${as.bytes(sizeBytes)}`).join(", ") ||
                say(texts.noDisk)}
            </span>
            <span class="muted">
              {say(texts.lastSeen)} {seenWords(host.lastSeenMs)}
            </span>
            {host.warning !== "" && (
              <span class="plan-warning">
                <Icon name="cross" size={16} /> {host.warning}
              </span>
            )}
            {host.contents
              .filter((text) => !text.endsWith(": nothing"))
              .map((text) => (
                <span key={text} class="plan-holds">
                  {say(texts.holds(text))}
                </span>
              ))}
          </li>
        ))}
      </ul>
      {plan.skipped.length > 0 && (
        <div class="plan-skipped">
          <h3>{say(texts.skipped)}</h3>
          <ul>
            {plan.skipped.map(({ id, name, why }) => (
              <li key={id}>
                <strong>{name}</strong> {why}
              </li>
            ))}
          </ul>
        </div>
      )}
      <p>
        {plan.startAtMs !== null && `${say(texts.beginsAt(as.date(plan.startAtMs)))}. `}
        {say(texts.estimate(as.span(plan.estimate.seconds * 1000), plan.estimate.basis === "rate"))}{" "}
        {plan.waves !== null &&
          say(texts.wavePlan(plan.waves.canary.join(", "), plan.waves.batches, plan.waves.mostFailed))}
      </p>
      <p class="muted">
        {say(texts.eraseHow)}: {say(texts.eraseWords[plan.erase])}.{" "}
        {say(texts.startsWhen(plan.waitFor, formatClock(plan.maxWaitMs)))}
      </p>
    </>
  );
}
