import { useSignal } from "@preact/signals";
import { useState } from "preact/hooks";
import type { ImageBody } from "../../../api/schemas.ts";
import { CaptureDialog } from "../deploy/capture-dialog.tsx";
import { newestFirst } from "../deploy/request.ts";
import { deployWish } from "../deploy/wish.ts";
import { Head } from "../parts/head.tsx";
import { Icon } from "../parts/icon.tsx";
import { Command, Empty, Loading, Problem } from "../parts/notice.tsx";
import { as, say } from "../preferences.ts";
import { hosts, images, isOperator, sessions } from "../store.ts";
import { texts } from "../texts.ts";
import { useImageDetail } from "../use-image-detail.ts";

/** Each of them is looked into; who has more versions asks for them. */
const MOST_VERSIONS = 5;

/** What there is to deploy: each image with its versions. */
export function ImagesPage() {
  const isCapturing = useSignal(false);
  const found = images.value.value;
  if (found === undefined) {
    const refusal = images.refusal.value;
    return refusal === undefined ? <Loading /> : <Problem fault={refusal} onRetry={() => images.refresh()} />;
  }
  const canCapture = isOperator.value && (hosts.value.value ?? []).length > 0;
  const capture = canCapture && (
    <button
      type="button"
      class="button"
      onClick={() => {
        isCapturing.value = true;
      }}
    >
      <Icon name="up" /> {say(texts.imagesHow)}
    </button>
  );
  return (
    <>
      <Head title={say(texts.images)}>{capture}</Head>
      {found.length === 0 ? (
        <Empty icon="images" title={say(texts.noImages)}>
          <p>{say(texts.noImagesHow)}</p>
          <Command>bootcast image import golden.raw --name lab-2026</Command>
        </Empty>
      ) : (
        <div class="image-list">
          {[...Map.groupBy(found, ({ name }) => name)].map(([name, versions]) => (
            <ImageCard key={name} versions={newestFirst(versions)} />
          ))}
        </div>
      )}
      {isCapturing.value && (
        <CaptureDialog
          onClose={() => {
            isCapturing.value = false;
          }}
        />
      )}
    </>
  );
}

function ImageCard({ versions }: { versions: readonly ImageBody[] }) {
  const [isWhole, setWhole] = useState(false);
  const newest = versions[0]!;
  const shown = isWhole ? versions : versions.slice(0, MOST_VERSIONS);
  return (
    <section class="card image" aria-label={newest.name}>
      <header class="image-head">
        <span class="kind">
          <Icon name="images" size={22} />
        </span>
        <div>
          <h2>{newest.name}</h2>
          <p class="muted">
            {say(texts.versions(versions.length))} · {usedWords(newest.name)}
          </p>
        </div>
        {isOperator.value && (
          <button
            type="button"
            class="button button-main"
            aria-label={`${say(texts.deploy)} (${newest.name})`}
            onClick={() => {
              deployWish.value = { hostIds: [], image: newest.name, version: newest.version };
            }}
          >
            <Icon name="down" /> {say(texts.deployShort)}
          </button>
        )}
      </header>
      <div class="table-frame plain">
        <table class="table">
          <thead>
            <tr>
              <th scope="col">{say(texts.version)}</th>
              <th scope="col" class="number">
                {say(texts.size)}
              </th>
              <th scope="col" class="number">
                {say(texts.stored)}
              </th>
              <th scope="col" class="number wide">
                {say(texts.adds)}
              </th>
              <th scope="col">{say(texts.made)}</th>
              <th scope="col" class="wide">
                {say(texts.notes)}
              </th>
              <th scope="col" class="more-wide">
                {say(texts.builtBy)}
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map((image) => (
              <VersionRow key={image.version} image={image} isLatest={image === newest && versions.length > 1} />
            ))}
          </tbody>
        </table>
      </div>
      {shown.length < versions.length && (
        <button type="button" class="button older" onClick={() => setWhole(true)}>
          {say(texts.olderVersions(versions.length - shown.length))}
        </button>
      )}
    </section>
  );
}

function VersionRow({ image, isLatest }: { image: ImageBody; isLatest: boolean }) {
  const { name, version, diskBytes, storedBytes, createdAtMs, verified, notes, builder } = image;
  const detail = useImageDetail(name, version);
  return (
    <tr>
      <th scope="row">
        v{version}
        {isLatest && <span class="pill">{say(texts.latest)}</span>}
        {detail !== undefined && (
          <span class="sub" title={`${say(texts.hash)} ${detail.manifestDigest}`}>
            <code>{detail.manifestDigest.slice(0, 12)}</code>
          </span>
        )}
      </th>
      <td class="number">{as.bytes(diskBytes)}</td>
      <td class="number">{as.bytes(storedBytes)}</td>
      <td class="number wide">
        {detail?.before != null && say(texts.newBytes(as.bytes(detail.before.newBytes), detail.before.version))}
      </td>
      <td>
        {as.date(createdAtMs)}
        {verified !== null && verified.badPacks > 0 ? (
          <span class="pill pill-care">{say(texts.badPacks(verified.badPacks))}</span>
        ) : (
          <span class="sub">
            {verified === null ? say(texts.notVerified) : say(texts.verified(as.date(verified.atMs)))}
          </span>
        )}
      </td>
      <td class="wide">{notes}</td>
      <td class="more-wide">{builder}</td>
    </tr>
  );
}

function usedWords(name: string): string {
  const used = (sessions.value.value ?? []).filter(({ image, kind }) => image === name && kind === "deploy").length;
  return say(used === 0 ? texts.notUsed : texts.usedBy(used));
}
