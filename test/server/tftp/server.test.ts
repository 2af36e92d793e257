import { serverTests } from "./server-suite.ts";

await serverTests("thread");
