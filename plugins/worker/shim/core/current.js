// Which request the engine works on.
//
// The edge enters for one request at a time, and the jobs that this leaves run before
// it enters again: what follows an await is the request's whose call completed. A
// promise that two requests wait for is the exception: what follows is taken for the
// work of the one that settled it. So what acts for a request keeps its number from
// when it was made; only lines of the log and the blame for computing too long go by
// current.
let request = 0, from = 0;

// current is the request that is worked on; 0 is none.
export const current = () => request;

// origin is the request that the work goes back to: current, or for a timer's the one
// that set it, though it may be over.
export const origin = () => from;

// enter says whose work begins.
export const enter = (req, goesBackTo = req) => { request = req; from = goesBackTo; };
