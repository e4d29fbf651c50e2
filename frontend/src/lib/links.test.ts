import { describe, expect, test } from "vitest";
import { hostOf, nameOf, parseLinks } from "./links";

describe("parseLinks", () => {
  test.each([
    ["one link", "https://example.com/a.mp4", ["https://example.com/a.mp4"]],
    [
      "blanks and empty lines",
      "\n  https://example.com/a \n\n\t\nhttps://example.com/b\r\n",
      ["https://example.com/a", "https://example.com/b"],
    ],
    [
      "trailing commas",
      "https://example.com/a,\nhttps://example.com/b;",
      ["https://example.com/a", "https://example.com/b"],
    ],
    [
      "several in a line",
      "https://example.com/a https://example.com/b",
      ["https://example.com/a", "https://example.com/b"],
    ],
    [
      "apart by a comma alone",
      "https://example.com/a,https://example.com/b",
      ["https://example.com/a", "https://example.com/b"],
    ],
    ["prose around it", "See (https://example.com/a), it is great!", ["https://example.com/a"]],
    ["a bracket of its own", "https://example.com/a_(film)", ["https://example.com/a_(film)"]],
    ["Markdown", "[film](https://example.com/a)", ["https://example.com/a"]],
    ["quotes", '"https://example.com/a"', ["https://example.com/a"]],
    ["no scheme", "example.com/watch?v=1", ["https://example.com/watch?v=1"]],
    ["no scheme, host alone", "example.com", ["https://example.com"]],
    ["www in prose", "look at www.example.com please", ["https://www.example.com"]],
    ["a comma inside", "https://example.com/a,b.mp4", ["https://example.com/a,b.mp4"]],
    ["capitals", "HTTPS://Example.com/A", ["HTTPS://Example.com/A"]],
    ["other scripts", "https://例え.jp/映画.mp4", ["https://例え.jp/映画.mp4"]],
  ])("understands %s", (_, text, links) => {
    expect(parseLinks(text)).toEqual({ links, duplicates: 0, rejected: [] });
  });

  test.each([
    ["just some words", "There is no link in this line"],
    ["nice film.and more", "There is no link in this line"],
    ["me@example.com", "There is no link in this line"],
    ["ftp://example.com/a", "Only http and https links can be fetched"],
    ["file:///etc/passwd", "Only http and https links can be fetched"],
    ["https://me:secret@example.com/a", "The link holds a user name or a password"],
    ["https://example.com:0/a", "There is no port 0"],
    ["https://example.com/a\\b", "The link holds a backslash"],
    [`https://example.com/${"a".repeat(4096)}`, "The link is longer than 4096 characters"],
  ])("keeps %s with its reason", (line, reason) => {
    expect(parseLinks(line)).toEqual({ links: [], duplicates: 0, rejected: [{ line, reason }] });
  });

  test("marks what was named before, and adds it all the same", () => {
    const parsed = parseLinks("https://example.com/a\nhttps://example.com/b\nhttps://example.com/a", [
      "https://example.com/b",
    ]);
    expect(parsed.links).toHaveLength(3);
    expect(parsed.duplicates).toBe(2);
  });

  test("loses none of two hundred lines", () => {
    const lines = Array.from({ length: 200 }, (_, index) =>
      index % 10 === 0 ? `note ${index}` : `https://example.com/${index}`,
    );
    const { links, rejected } = parseLinks(lines.join("\n"));
    expect([links.length, rejected.length]).toEqual([180, 20]);
  });
});

test("hosts and names are readable", () => {
  expect(hostOf("https://www.example.com:8080/a")).toBe("example.com:8080");
  expect(nameOf("https://example.com/films/Harbour%20at%20dusk.mp4?x=1")).toBe("Harbour at dusk.mp4");
  expect(nameOf("https://example.com/")).toBe("example.com");
  expect(nameOf("https://example.com/%E0%A4%A")).toBe("https://example.com/%E0%A4%A");
});
