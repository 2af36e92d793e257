import type { HostBootBody } from "../../../api/host-boot-routes.ts";
import type { HostBody } from "../../../api/host-schemas.ts";
import { Fact } from "../parts/fact.tsx";
import { as, say } from "../preferences.ts";
import { seenWords } from "../room/host-tiles.tsx";
import type { Text } from "../texts/language.ts";
import { texts } from "../texts.ts";

/** What the machine is made of, and what is set for it. */
export function Facts({ host, boot }: { host: HostBody; boot: HostBootBody | undefined }) {
  const words: Readonly<Record<string, Text>> = texts.bootWords;
  const boots = boot === undefined ? undefined : words[boot.boots];
  return (
    <section class="card" aria-label={say(texts.facts)}>
      <h2>{say(texts.facts)}</h2>
      <dl class="facts">
        <Known name={texts.mac} value={host.mac} isCode />
        <Known name={texts.serial} value={host.serial} isCode />
        <Known name={texts.vendor} value={host.vendor} />
        <Known name={texts.model} value={host.model} />
        <Known name={texts.memory} value={as.bytes(host.memoryBytes)} />
        <Known name={texts.firmware} value={host.firmware.toUpperCase()} />
        {boots !== undefined && <Known name={texts.bootsNow} value={say(boots)} />}
        <Known name={texts.diskRule} value={host.diskRule ?? say(texts.diskRuleDefault)} />
        <Known name={texts.lastSeen} value={seenWords(host.lastSeenMs)} />
        {host.group !== null && <Known name={texts.groupName} value={host.group} />}
        {host.labels.length > 0 && <Known name={texts.labels} value={host.labels.join(", ")} />}
        {host.note !== null && <Known name={texts.note} value={host.note} />}
        <Known name={texts.firstSeen} value={as.date(host.firstSeenMs)} />
      </dl>
      <h3>{say(texts.disks)}</h3>
      <ul class="disks">
        {host.disks.map((disk) => (
          <li key={disk.path}>
            <strong>{disk.path}</strong>
            <span>{as.bytes(disk.sizeBytes)}</span>
            <span class="muted">{[disk.transport, disk.model, disk.serial].filter(Boolean).join(" · ")}</span>
            {disk.failing !== undefined && <span class="bad">{say(texts.failing(disk.failing))}</span>}
            {disk.holds !== undefined && (
              <span class="sub">
                {disk.holds.length === 0
                  ? say(texts.empty)
                  : disk.holds.map(({ kind, label }) => (label === "" ? kind : `${kind} “${label}”`)).join(", ")}
              </span>
            )}
          </li>
        ))}
        {host.disks.length === 0 && <li class="muted">{say(texts.noDisk)}</li>}
      </ul>
    </section>
  );
}

/** A fact that may not be known. */
function Known({ name, value, isCode = false }: { name: Text; value: string; isCode?: boolean }) {
  const shown = value === "" ? say(texts.unknown) : value;
  return <Fact name={say(name)}>{isCode && value !== "" ? <code>{shown}</code> : shown}</Fact>;
}
