// Bad - only accessible from within container
app.listen(3000, 'localhost');
// Good - accessible from outside
app.listen(3000, '0.0.0.0');
