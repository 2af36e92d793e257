import type { BootImageId } from "../../bsdp/boot-image.ts";
import { attributesOf, decodeBootImageList, imageIdOfNumber, numberOfImageId } from "../../bsdp/boot-image.ts";
import type { BsdpOptions } from "../../bsdp/bsdp-options.ts";
import { decodeBsdpOptions, decodeSubOptions, encodeSubOptions, SubOption } from "../../bsdp/bsdp-options.ts";
import { parseBsdpVendorClass } from "../../bsdp/vendor-class.ts";
import { Fault } from "../../fault.ts";
import type { JsonObject } from "./index-file.ts";
import { compareWords, hexNumber, hexOf, OneOf, type Verdict, type Words } from "./verdict.ts";

/** Indexes below this belong to one server. */
const FIRST_GLOBAL_INDEX = 4096;

function imageIdWords(id: BootImageId): Words {
  return {
    id: hexNumber(numberOfImageId(id), 8),
    install: id.isInstall,
    kind: id.kind,
    attributes: hexNumber(attributesOf(id), 4),
    index: id.index,
    serverLocal: id.index < FIRST_GLOBAL_INDEX,
  };
}

function bsdpWords(options: BsdpOptions): Words {
  const { messageType: type, version, defaultImage, selectedImage } = options;
  return {
    messageType: type === undefined ? undefined : ([undefined, "LIST", "SELECT", "FAILED"][type] ?? type),
    version: version === undefined ? undefined : `${version >> 8}.${version & 255}`,
    serverIdentifier: options.serverId,
    serverPriority: options.serverPriority,
    replyPort: options.replyPort,
    defaultImage: defaultImage === undefined ? undefined : imageIdWords(imageIdOfNumber(defaultImage)),
    selectedImage: selectedImage === undefined ? undefined : imageIdWords(imageIdOfNumber(selectedImage)),
    images: options.images?.map((image) => ({ ...imageIdWords(image), name: image.name })),
    // A flag without a value: both spellings say the same.
    ...Object.fromEntries(
      ["netBoot10Firmware", "netboot10Firmware", "netBoot1Firmware", "oldFirmware", "isOldFirmware", "firmware10"].map(
        (name) => [name, new OneOf(options.isOldFirmware, options.isOldFirmware ? "" : undefined)],
      ),
    ),
    // A filter that is too short for one word counts as absent.
    attributesFilter: options.attributesFilter?.map((word) => hexNumber(word, 4)) ?? new OneOf(undefined, []),
    maxMessageSize: options.maxMessageSize,
    machineName: options.machineName,
    shadowMountPath: options.shadowMountPath,
    shadowFilePath: options.shadowFilePath,
  };
}

/** Holds what instances of BSDP's option 43 mean against the expectation. */
export function checkBsdpOptions(
  verdict: Verdict,
  expect: JsonObject,
  instances: readonly Uint8Array[],
  where = "",
): void {
  const { subOptions, ...meaning } = expect;
  const place = (key: string) => (where === "" ? key : `${where}.${key}`);
  try {
    if (subOptions !== undefined) {
      const found = decodeSubOptions(instances);
      verdict.same(
        place("subOptions"),
        subOptions,
        found.map(({ code, data }) => [code, hexOf(data)]),
      );
    }
    compareWords(verdict, meaning, bsdpWords(decodeBsdpOptions(instances)), where);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    verdict.differs(where === "" ? "option 43" : where, meaning, `${error.what} ${error.why}`);
  }
}

/** True when our reader refuses these instances, or leaves out a sub-option whose length is wrong. */
export function isRefusedBsdp(instances: readonly Uint8Array[]): boolean {
  try {
    const options = decodeBsdpOptions(instances);
    const codes = decodeSubOptions(instances).map((one) => one.code);
    // Of these two a wrong length counts as "not there" (bsdplib.c does the same).
    return (
      (codes.includes(SubOption.maxMessageSize) && options.maxMessageSize === undefined) ||
      (codes.includes(SubOption.attributesFilter) && options.attributesFilter === undefined)
    );
  } catch (error) {
    if (error instanceof Fault) return true;
    throw error;
  }
}

/** Layer `option43` of the family `bsdp`. */
export function checkOption43(verdict: Verdict, expect: JsonObject, bytes: Uint8Array): void {
  if (expectsError(expect)) {
    if (!isRefusedBsdp([bytes])) verdict.differs("error", expect["error"], "it is accepted");
    return;
  }
  checkBsdpOptions(verdict, expect, [bytes]);
}

/** Layer `option60`. */
export function checkVendorClass(verdict: Verdict, expect: JsonObject, bytes: Uint8Array): void {
  const found = parseBsdpVendorClass(bytes);
  const words = { accept: found !== undefined, arch: found?.arch, sysid: found?.systemId };
  compareWords(verdict, expectsError(expect) ? { accept: false } : expect, words);
}

/** Layer `boot_image_id`. */
export function checkImageId(verdict: Verdict, expect: JsonObject, bytes: Uint8Array): void {
  let words: Words | undefined;
  try {
    const option = encodeSubOptions([{ code: SubOption.defaultImage, data: bytes }]);
    words = imageIdWords(imageIdOfNumber(decodeBsdpOptions([option]).defaultImage!));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  }
  if (expectsError(expect)) {
    if (words !== undefined) verdict.differs("error", expect["error"], words);
  } else if (words === undefined) verdict.differs("id", expect, "it is refused");
  else compareWords(verdict, expect, words);
}

/** Layer `boot_image_list`. */
export function checkImageList(verdict: Verdict, expect: JsonObject, bytes: Uint8Array): void {
  try {
    const images = decodeBootImageList(bytes).map((image) => ({ ...imageIdWords(image), name: image.name }));
    if (expectsError(expect)) verdict.differs("error", expect["error"], images);
    else compareWords(verdict, expect, { images });
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (!expectsError(expect)) verdict.differs("images", expect["images"], `${error.what} ${error.why}`);
  }
}

/** `error` may be true, or a text that says what is wrong. */
export function expectsError(expect: JsonObject): boolean {
  const { error } = expect;
  return error !== undefined && error !== null && error !== false;
}
