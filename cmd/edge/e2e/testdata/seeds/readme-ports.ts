switch (pathname) {
  case "/ws/chat":
    return connect(sandbox, request, 8080); // Chat server
  case "/ws/terminal":
    return connect(sandbox, request, 8081); // Terminal
  case "/ws/game":
    return connect(sandbox, request, 8082); // Game server
}
