import assert from "node:assert/strict";
import { test } from "node:test";
import { LINK_COUNT_MAX } from "../../../../shared/limits.ts";
import { admitLink } from "../../../../shared/wire/link.ts";

class FakeLink {
  isDestroyed = false;

  destroy(): void {
    this.isDestroyed = true;
  }
}

function linksOf(count: number): { readonly links: Set<FakeLink>; readonly all: FakeLink[] } {
  const links = new Set<FakeLink>();
  const all = Array.from({ length: count }, () => new FakeLink());
  for (const link of all) admitLink(links, link);
  return { links, all };
}

test("admitLink keeps as many links as the limit says", () => {
  const { links, all } = linksOf(LINK_COUNT_MAX);
  assert.equal(links.size, LINK_COUNT_MAX);
  assert.ok(all.every((link) => !link.isDestroyed));
});

test("admitLink lets the oldest give way to one more, also within one turn", () => {
  const { links, all } = linksOf(LINK_COUNT_MAX + 2);
  assert.equal(links.size, LINK_COUNT_MAX);
  assert.deepEqual(
    all.map((link) => link.isDestroyed),
    all.map((_, index) => index < 2),
  );
});
