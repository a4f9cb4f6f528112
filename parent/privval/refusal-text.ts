// A refusal as a Tendermint node is told it, over whichever protocol. It must never say more than
// the catalogue of errors does.

import { describeDetail, ERRORS, type Refusal } from "../../shared/errors.ts";

/** Code, text and details: a node prints it, and nothing else tells its operator. */
export function refusalText(cause: Refusal): string {
  const detail = describeDetail(cause);
  const text = `${cause.code}: ${ERRORS[cause.code].text}`;
  return detail === "" ? text : `${text} (${detail})`;
}
