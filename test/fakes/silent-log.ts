// A log that keeps what it was told, for tests to look at.

import type { Log, LogFields } from "../../parent/ports.ts";

export type LogLine = {
  readonly level: "info" | "warn" | "error";
  readonly event: string;
  readonly fields: LogFields;
};

export class SilentLog implements Log {
  readonly lines: LogLine[] = [];

  info(event: string, fields: LogFields = {}): void {
    this.lines.push({ level: "info", event, fields });
  }

  warn(event: string, fields: LogFields = {}): void {
    this.lines.push({ level: "warn", event, fields });
  }

  error(event: string, fields: LogFields = {}): void {
    this.lines.push({ level: "error", event, fields });
  }
}
