/** Express over HTTP/2: it puts its own prototypes under requests and responses, which are Node's of HTTP/1.1. */
import type { IncomingMessage } from 'node:http';
import express, { type Express } from 'express';
import { Http2Request } from './request.ts';
import { Http2Response } from './response.ts';

/** Gives an application what Express adds to requests and responses on top of ours of HTTP/2 instead of on Node's. */
export function overHttp2(app: Express): Express {
  app.request = derive(app.request, express.request, Http2Request.prototype);
  app.response = derive(app.response, express.response, Http2Response.prototype);
  return app;
}

/** Whether a request came over HTTP/2. */
export function isHttp2(request: IncomingMessage): boolean {
  return (request as unknown) instanceof Http2Request;
}

/** The application's own, on Express's, on another base. */
function derive<Kind extends object>(own: Kind, ofExpress: object, base: object): Kind {
  const onBase: object = Object.create(base, Object.getOwnPropertyDescriptors(ofExpress));
  return Object.create(onBase, Object.getOwnPropertyDescriptors(own)) as Kind;
}
