// Preloaded into every program that `npm start` runs: ends it when the program that started it is
// gone, even by kill -9, so that nothing is left listening. It must never be part of a deployment.

const { channel } = process;
if (channel !== undefined) {
  channel.unref();
  process.on("disconnect", () => process.exit(1));
}
