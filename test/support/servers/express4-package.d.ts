/** The package `express4` of the tests is Express 4; what they use of it is as in Express 5. */
declare module 'express4' {
  import express from 'express';
  export = express;
}
