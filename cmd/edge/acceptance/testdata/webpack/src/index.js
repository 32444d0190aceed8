import { title } from './title.js'

let count = 0
const button = document.querySelector('button')
button.addEventListener('click', () => {
  button.textContent = `count is ${++count}`
})

function show() {
  document.querySelector('h1').textContent = title
}
show()

if (module.hot) {
  module.hot.accept('./title.js', show)
}
