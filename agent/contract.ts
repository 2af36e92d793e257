/**
 * What server and agent say to each other: HTTP under `/agent/v1`, JSON bodies.
 * The only file of `agent/` that `server/` may import; the messages themselves lie in `contract/`.
 *
 *   POST /agent/v1/hosts                                RegistrationRequest ► Registration
 *   GET  /agent/v1/hosts/:hostId/order?waitSeconds=N                   ► Order   (long poll, N <= 25)
 *   POST /agent/v1/hosts/:hostId/reports                Report         ► ReportAnswer
 *   POST /agent/v1/hosts/:hostId/hearing                Hearing        ► HearingAnswer (what it heard of a test)
 *   POST /agent/v1/hosts/:hostId/captures/:deployId/cells              ids of cells ► CellAnswers
 *   POST /agent/v1/hosts/:hostId/captures/:deployId/packs              a parcel ► KeptPack
 *   PUT  /agent/v1/hosts/:hostId/captures/:deployId/manifest/:offset   a piece, in order ► ManifestPiece
 *   POST /agent/v1/hosts/:hostId/captures/:deployId/finish    FinishCapture ► CaptureState (answers within 20 s)
 *   POST /agent/v1/hosts/:hostId/alive                  Alive          ► AliveAnswer (the restored system; its own token)
 *   GET  /agent/v1/streams                                             ► StreamList
 *   GET  /agent/v1/streams/:streamId?mostSymbolBytes=N                 ► StreamInfo
 *   GET  /agent/v1/streams/:streamId/manifest                          ► bytes of the signed manifest
 *   GET  /agent/v1/streams/:streamId/key                               ► the key that signed it, SPKI as PEM
 *   GET  /agent/v1/streams/:streamId/packs/:digest                     ► bytes of one pack
 *   POST /agent/v1/streams/:streamId/receivers          Join           ► Joined
 *   POST /agent/v1/streams/:streamId/receivers/:id      Progress       ► ProgressAnswer
 *
 * Every request about one host carries `Authorization: Bearer <token>` from its Registration.
 * An error answer is the Fault as JSON: { code, what, why, fix }.
 */

export * from "./contract/alive.ts";
export * from "./contract/capture.ts";
export * from "./contract/hearing.ts";
export * from "./contract/host.ts";
export * from "./contract/order.ts";
export * from "./contract/permits.ts";
export * from "./contract/report.ts";
export * from "./contract/states.ts";
export * from "./contract/stream.ts";
export * from "./contract/versions.ts";
/** The rules' spelling is a part of what both sides say; the server shows early what the agent will decide. */
export { chooseDisk, type DiskNeed, describeDisk, refusalOf } from "./disk/choice.ts";
export { contentText } from "./disk/content.ts";
export { Disk, Held } from "./disk/disk.ts";
export { DEFAULT_DISK_RULE, parseDiskRule } from "./disk/rule.ts";
export { parseVerifyRule, type VerifyRule, verifyRuleText } from "./disk/verify-plan.ts";
