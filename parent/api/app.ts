// All routes of the signing listener. What is not listed here is 404, and another method on a
// listed path is 405. It must never show an exception's text.

import { Hono } from "hono";
import { RegExpRouter } from "hono/router/reg-exp-router";
import { refusal } from "../../shared/errors.ts";
import { InvariantError } from "../../shared/invariant.ts";
import { addAttestationRoute } from "./attestation-route.ts";
import type { ApiBindings, Edge } from "./edge.ts";
import { addHealthRoutes } from "./health-route.ts";
import { addKeyRoutes } from "./key-route.ts";
import { refuse } from "./refuse.ts";
import { addReloadRoutes } from "./reload-route.ts";
import { addSignRoutes } from "./sign-route.ts";

export type ApiApp = Hono<ApiBindings>;

export function createApp(edge: Edge): ApiApp {
  const app: ApiApp = new Hono<ApiBindings>({ router: new RegExpRouter() });
  addSignRoutes(app, edge);
  addKeyRoutes(app, edge);
  addHealthRoutes(app, edge);
  addReloadRoutes(app, edge);
  addAttestationRoute(app, edge);
  app.notFound((c) => {
    const { incoming, outgoing } = c.env;
    const allow = allowedMethods(app, pathOf(incoming.url));
    if (allow.length === 0) return refuse(edge, c, refusal("HTTP_NOT_FOUND"));
    outgoing.setHeader("Allow", allow.join(", "));
    return refuse(edge, c, refusal("HTTP_METHOD"));
  });
  app.onError((error, c) => {
    // A bug must end the process, and Hono would swallow it.
    if (error instanceof InvariantError) {
      queueMicrotask(() => {
        throw error;
      });
    }
    return refuse(edge, c, refusal("HTTP_INTERNAL"));
  });
  return app;
}

export function pathOf(url: string | undefined): string {
  return url?.split("?", 1)[0] ?? "";
}

/** The methods of the routes on this path; none when there is no such path. */
export function allowedMethods(app: ApiApp, path: string): readonly string[] {
  const segments = path.split("/");
  const matching = app.routes.filter((route) => {
    const pattern = route.path.split("/");
    return (
      pattern.length === segments.length &&
      pattern.every((part, index) => {
        const segment = segments[index] ?? "";
        return part.startsWith(":") ? segment.length > 0 : part === segment;
      })
    );
  });
  return matching.map((route) => route.method);
}
