// Which request the engine works on.
let request = 0;

// current is the request that is worked on; 0 is none.
export const current = () => request;

// enter is for the entries: it says whose work begins.
export const enter = (req) => { request = req; };
