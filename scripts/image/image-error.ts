// Why an image can't be built, in words for who builds it. Programs print the text and end; nothing
// else may be done with it.

export class ImageError extends Error {}
