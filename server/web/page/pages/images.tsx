import { useSignal } from "@preact/signals";
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
  const newest = versions[0]!;
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
            {versions.map((image) => (
              <tr key={image.version}>
                <th scope="row">
                  v{image.version}
                  {image === newest && versions.length > 1 && <span class="pill">{say(texts.latest)}</span>}
                </th>
                <td class="number">{as.bytes(image.diskBytes)}</td>
                <td class="number">{as.bytes(image.storedBytes)}</td>
                <td>{as.date(image.createdAtMs)}</td>
                <td class="wide">{image.notes}</td>
                <td class="more-wide">{image.builder}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function usedWords(name: string): string {
  const used = (sessions.value.value ?? []).filter(({ image, kind }) => image === name && kind === "deploy").length;
  return say(used === 0 ? texts.notUsed : texts.usedBy(used));
}
