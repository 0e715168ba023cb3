#!/usr/bin/env node
// The `reelay` executable: makes the checkout ready, then hands over to the compiled command line.
import { ready } from './ready.mjs';

ready();
await import('../dist/src/cli.js');
