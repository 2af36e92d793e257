import { deployTexts } from "./texts/deploy.ts";
import { eventTexts } from "./texts/events.ts";
import { frameTexts } from "./texts/frame.ts";
import { hostTexts } from "./texts/host.ts";
import { imageTexts } from "./texts/images.ts";
import { repairsTexts } from "./texts/repairs.ts";
import { roomTexts } from "./texts/room.ts";
import { scheduleTexts } from "./texts/schedule.ts";
import { sessionTexts } from "./texts/session.ts";
import { settingsTexts } from "./texts/settings.ts";
import { stateTexts } from "./texts/states.ts";

/** All words that people read on the pages. */
export const texts = {
  ...frameTexts,
  ...roomTexts,
  ...deployTexts,
  ...sessionTexts,
  ...imageTexts,
  ...hostTexts,
  ...repairsTexts,
  ...settingsTexts,
  ...scheduleTexts,
  ...stateTexts,
  ...eventTexts,
} as const;
