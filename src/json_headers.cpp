// Carries the precompiled headers of JSON; see src/CMakeLists.txt.
