/* The guest of the platform's benchmarks in C: it makes three host calls a request. */

#include "edge.h"

edge_errno edge_on_request(edge_request *req)
{
	edge_str accept = {0};
	(void)edge_path(req);
	(void)edge_header(req, "Accept", &accept);
	return edge_respond_text(req, 200, accept);
}
