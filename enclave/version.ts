// The name and version that attested statements carry. A test keeps it equal to package.json.

export const SOFTWARE = "redoubt/0.1.0";
