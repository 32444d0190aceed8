// Package replay keeps what plugins decided and decides it again, for the people
// who write plugins and those who roll them out.
//
//   - A Recorder writes each request of a serving edge, what its plugin asked the
//     host for meanwhile, and the decision, as one line of JSON (Line). What is
//     confidential is replaced before it is written (see redactor).
//   - A Run decides the requests of such a recording once more, with another
//     module, and tells each difference. Host calls are answered as they were when
//     the recording was made; nothing is carried out. Gate is a Run that refuses a
//     module.
//   - A Case is a request that somebody wrote down, with the answers of a sandbox
//     that there is not and what is expected of the decision.
//
// All of them decide in a plugins.Trial: outside of serving, one request after the
// other, on a clock and with randomness that are the same each time. The same
// module and the same file always give the same result.
package replay
