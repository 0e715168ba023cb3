import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';

/** A request as an emulator's handlers see it. */
export type EmulatorContext = Context<{ Bindings: HttpBindings }>;
