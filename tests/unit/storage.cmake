# SPDX-License-Identifier: GPL-2.0-or-later
# Suites of devices/storage/ and frontend/media/.
foreach(suite IN ITEMS ata atapi pc_drives)
    d86_unit_test(test_${suite} SOURCES unit/test_${suite}.c LIBRARIES d86-devices)
endforeach()
d86_unit_test(test_medium SOURCES unit/test_medium.c LIBRARIES d86-media)
target_compile_definitions(test_medium PRIVATE _GNU_SOURCE)
# With nbdkit and qemu-utils; what needs one of these that is not there passes without it.
d86_unit_test(test_nbd SOURCES unit/test_nbd.c LIBRARIES d86-media TIMEOUT 300)
target_compile_definitions(test_nbd PRIVATE _GNU_SOURCE)
add_test(NAME test_images
    COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/unit/test_images.py" $<TARGET_FILE:duplex86>)
set_tests_properties(test_images PROPERTIES LABELS unit TIMEOUT 300 SKIP_RETURN_CODE 77)
# Without an argument 16 storms.
d86_unit_test(test_virtio_blk SOURCES unit/test_virtio_blk.c LIBRARIES d86-devices)
add_test(NAME test_virtio_blk_long COMMAND test_virtio_blk 20000)
set_tests_properties(test_virtio_blk_long PROPERTIES LABELS "unit;long" TIMEOUT 7200)
# The shared folder; 8 storms without an argument.
d86_unit_test(test_share SOURCES unit/test_share.c LIBRARIES d86-share TIMEOUT 300)
target_compile_definitions(test_share PRIVATE _GNU_SOURCE)
add_test(NAME test_share_long COMMAND test_share 2000)
set_tests_properties(test_share_long PROPERTIES LABELS "unit;long" TIMEOUT 7200)
d86_unit_test(test_virtio_9p SOURCES unit/test_virtio_9p.c LIBRARIES d86-devices)
d86_unit_test(test_virtio_balloon SOURCES unit/test_virtio_balloon.c LIBRARIES d86-devices)
add_test(NAME test_virtio_balloon_long COMMAND test_virtio_balloon 10000)
set_tests_properties(test_virtio_balloon_long PROPERTIES LABELS "unit;long" TIMEOUT 7200)
d86_unit_test(test_virtio_keyboard SOURCES unit/test_virtio_keyboard.c LIBRARIES d86-devices)
add_test(NAME test_virtio_keyboard_long COMMAND test_virtio_keyboard 10000)
set_tests_properties(test_virtio_keyboard_long PROPERTIES LABELS "unit;long" TIMEOUT 7200)
d86_unit_test(test_virtio_console SOURCES unit/test_virtio_console.c LIBRARIES d86-devices)
add_test(NAME test_virtio_console_long COMMAND test_virtio_console 10000)
set_tests_properties(test_virtio_console_long PROPERTIES LABELS "unit;long" TIMEOUT 7200)
add_test(NAME test_virtio_9p_long COMMAND test_virtio_9p 10000)
set_tests_properties(test_virtio_9p_long PROPERTIES LABELS "unit;long" TIMEOUT 7200)
