import type { HostBody } from "../../../api/host-schemas.ts";
import type { ImageBody } from "../../../api/schemas.ts";
import { Field, optionsOf, Select, SelectField } from "../parts/fields.tsx";
import { Command, Empty, Loading } from "../parts/notice.tsx";
import { State } from "../parts/state.tsx";
import { as, say } from "../preferences.ts";
import { hosts, images } from "../store.ts";
import { texts } from "../texts.ts";
import { type Choice, newestFirst } from "./request.ts";

type ChooseProps = { choice: Choice; hasFixedHosts: boolean; onChange: (choice: Choice) => void };

export function Choose({ choice, hasFixedHosts, onChange }: ChooseProps) {
  const found = images.value.value;
  if (found === undefined) return <Loading />;
  if (found.length === 0) {
    return (
      <Empty icon="images" title={say(texts.noImages)}>
        <p>{say(texts.noImagesHow)}</p>
        <Command>bootcast image import golden.raw --name lab-2026</Command>
      </Empty>
    );
  }
  return (
    <>
      <fieldset class="choices">
        <legend>{say(texts.chooseImage)}</legend>
        {[...Map.groupBy(found, ({ name }) => name)].map(([name, versions]) => (
          <ImageChoice key={name} versions={newestFirst(versions)} choice={choice} onChange={onChange} />
        ))}
      </fieldset>
      {!hasFixedHosts && <HostChoices choice={choice} onChange={onChange} />}
      <Options choice={choice} onChange={onChange} />
    </>
  );
}

type ImageChoiceProps = { versions: ImageBody[]; choice: Choice; onChange: (choice: Choice) => void };

function ImageChoice({ versions, choice, onChange }: ImageChoiceProps) {
  const newest = versions[0]!;
  const isChosen = choice.image === newest.name;
  const shown = versions.find(({ version }) => isChosen && version === choice.version) ?? newest;
  return (
    <div class={`choice ${isChosen ? "choice-on" : ""}`}>
      <label class="choice-main">
        <input
          type="radio"
          name="image"
          checked={isChosen}
          onChange={() => onChange({ ...choice, image: newest.name, version: newest.version })}
        />
        <span class="choice-words">
          <strong>{newest.name}</strong>
          <span class="muted">
            {as.bytes(shown.diskBytes)} · {as.date(shown.createdAtMs)}
            {shown.notes !== "" && ` · ${shown.notes}`}
          </span>
        </span>
      </label>
      {versions.length > 1 ? (
        <Select
          name={`${say(texts.version)} (${newest.name})`}
          value={String(shown.version)}
          options={versions.map(({ version }) => [
            String(version),
            version === newest.version ? `v${version} (${say(texts.latest)})` : `v${version}`,
          ])}
          onChange={(version) => onChange({ ...choice, image: newest.name, version: Number(version) })}
        />
      ) : (
        <span class="muted">v{newest.version}</span>
      )}
    </div>
  );
}

function HostChoices({ choice, onChange }: { choice: Choice; onChange: (choice: Choice) => void }) {
  const found = hosts.value.value ?? [];
  const toggle = ({ id }: HostBody, isOn: boolean) => {
    const hostIds = new Set(choice.hostIds);
    if (isOn) hostIds.add(id);
    else hostIds.delete(id);
    onChange({ ...choice, hostIds });
  };
  return (
    <fieldset class="choices">
      <legend>{say(texts.chooseHosts)}</legend>
      <div class="choice-grid">
        {found.map((host) => (
          <label key={host.id} class={`choice choice-main ${choice.hostIds.has(host.id) ? "choice-on" : ""}`}>
            <input
              type="checkbox"
              checked={choice.hostIds.has(host.id)}
              onChange={({ currentTarget }) => toggle(host, currentTarget.checked)}
            />
            <span class="choice-words">
              <strong>{host.name}</strong>
              <State state={host.status.state} />
            </span>
          </label>
        ))}
      </div>
      {found.length === 0 && <p class="muted">{say(texts.roomEmptyHow)}</p>}
    </fieldset>
  );
}

const batches = [2, 5, 10, 25] as const;

function Options({ choice, onChange }: { choice: Choice; onChange: (choice: Choice) => void }) {
  return (
    <details class="more">
      <summary>{say(texts.moreOptions)}</summary>
      <div class="fields">
        <SelectField
          name={say(texts.waveHead)}
          value={String(choice.batch ?? 0)}
          options={[
            ["0", say(texts.waveOff)],
            ...batches.map((batch): [string, string] => [String(batch), say(texts.waveOf(batch))]),
          ]}
          onChange={(batch) => onChange({ ...choice, batch: Number(batch) || null })}
        />
        <Field
          name={say(texts.beginAt)}
          value={choice.beginAt}
          onInput={(beginAt) => onChange({ ...choice, beginAt })}
          type="datetime-local"
        />
        <SelectField
          name={say(texts.eraseHow)}
          value={choice.erase}
          options={optionsOf(texts.eraseWords)}
          onChange={(erase) => onChange({ ...choice, erase })}
        />
        <SelectField
          name={say(texts.verifyHow)}
          value={choice.verify}
          options={optionsOf<string>(texts.verifyWords)}
          onChange={(verify) => onChange({ ...choice, verify })}
        />
        <SelectField
          name={say(texts.afterHow)}
          value={choice.afterwards}
          options={optionsOf(texts.afterWords)}
          onChange={(afterwards) => onChange({ ...choice, afterwards })}
        />
      </div>
    </details>
  );
}
