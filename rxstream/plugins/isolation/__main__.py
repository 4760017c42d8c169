from rxstream.plugins.isolation.child import main

main()
