// The startup probe; in compose the health check. Makes the server a replica set of one, which change streams and majority writes need, and succeeds
// as soon as it is the primary. Where the set exists already it only waits for that.
const NOT_YET_INITIALIZED = 94;
const ALREADY_INITIALIZED = 23;

const password = require('fs').readFileSync('/run/secrets/mongodb/password', 'utf8').trim();
const admin = db.getSiblingDB('admin');
admin.auth('mixdown', password);
try {
  rs.status();
} catch (error) {
  if (error.code !== NOT_YET_INITIALIZED) throw error;
  try {
    // The name outlives the pod, unlike its address.
    rs.initiate({ _id: 'rs0', members: [{ _id: 0, host: process.env.MEMBER }] });
  } catch (error) {
    if (error.code !== ALREADY_INITIALIZED) throw error;
  }
}
quit(admin.hello().isWritablePrimary ? 0 : 1);
